/** What `rxsteer replay` prints for people: rows that are asked for, labels, widths, counters. */
import { describe, expect, it } from 'vitest';
import * as build from '#rxsteer/packet/build.js';
import type { ReplayResult } from '#rxsteer/replay/result.js';
import * as files from '../capture/files.js';
import { rxsteer } from './run.js';

const file = files.temporaryFiles();
/** Long flows, some of them larger, all IPv6. */
const frames = Array.from({ length: 400 }, (_, i) => {
  const n = i % 40 === 0 ? 0 : i % 23;
  const src = `2001:db8:1234:5678:9abc:def0:1234:${(n + 1).toString(16)}`;
  const udp = build.udp({ sport: 40_000 + n, dport: 443 }, 100);
  return build.ethernet({}, build.ipv6({ src, dst: '2001:db8:ffff:ffff:ffff:ffff:ffff:1' }, udp));
});
const path = file('in.pcap', files.pcap(frames.map((data, i) => ({ data, seconds: 1, fraction: 10 * i }))));
const LONG = 'rss:nic=ixgbe-82599,queues=8,key=microsoft,types=ipv4+tcp-ipv4+ipv6+tcp-ipv6+udp-ipv6';

async function text(args: readonly string[], columns?: number): Promise<string> {
  const saved = process.env.COLUMNS;
  if (columns === undefined) delete process.env.COLUMNS;
  else process.env.COLUMNS = String(columns);
  try {
    const { code, stdout } = await rxsteer(['replay', path, ...args]);
    expect(code).toBe(0);
    return stdout;
  } finally {
    if (saved === undefined) delete process.env.COLUMNS;
    else process.env.COLUMNS = saved;
  }
}

describe('the text of a replay', () => {
  it('lists as many flows as are asked for', async () => {
    const flows = (out: string) => out.match(/^udp \[/gm)?.length ?? 0;
    expect(flows(await text(['--policy', 'rss:queues=2']))).toBe(5);
    expect(flows(await text(['--policy', 'rss:queues=2', '--top', '9']))).toBe(9);
    expect(flows(await text(['--policy', 'rss:queues=2', '--top', '2']))).toBe(2);
    expect(flows(await text(['--policy', 'rss:queues=2', '--top', '0']))).toBe(0);
  });

  it.each([80, 120])(
    'fits %d columns, whatever the policies are called, and cuts nothing off',
    async (columns) => {
      const policies = [LONG, `${LONG},seed=2`, 'rps:cpus=0-7', 'round-robin', 'mac-hash:queues=4'];
      const out = await text(
        policies.flatMap((policy) => ['--policy', policy]),
        columns,
      );
      expect(out.split('\n').filter((line) => line.length > columns && !line.includes(LONG))).toEqual([]);
      expect(out.replace(/\n {6}/g, '')).toContain(`${LONG},seed=2`);
      expect(out).not.toContain('…');
    },
  );

  it('calls policies by their labels, and says what these stand for', async () => {
    const out = await text(['--policy', `ports=${LONG}`, '--policy', 'other=single', '--workers', '8']);
    expect(out).toMatch(new RegExp(`^ports +${LONG.replace(/[+]/g, '\\+')}$`, 'm'));
    expect(out).toMatch(/^ports +8 /m);
    expect(out).toMatch(/^best here: ports: its busiest CPU/m);
    const { stdout } = await rxsteer(['replay', path, '--policy', 'mine=rss:queues=2', '--json']);
    const [policy] = (JSON.parse(stdout) as ReplayResult).policies;
    expect(policy).toMatchObject({ policy: 'rss:queues=2', label: 'mine' });
  });

  it('holds the prediction against counters of ethtool', async () => {
    const before = file(
      'before.txt',
      Buffer.from('NIC statistics:\n  rx_queue_0_packets: 50\n  rx_queue_1_packets: 7\n'),
    );
    const after = file(
      'after.txt',
      Buffer.from('NIC statistics:\n  rx_queue_0_packets: 150\n  rx_queue_1_packets: 307\n'),
    );
    const args = ['--policy', 'rss:queues=2', '--counters', before, '--counters', after];
    const { stdout } = await rxsteer(['replay', path, ...args, '--json']);
    const [policy] = (JSON.parse(stdout) as ReplayResult).policies;
    const [first] = policy!.queues;
    const { queues, elsewhere, countedPackets } = policy!.counted!;
    expect(queues.map((queue) => queue.countedPackets)).toEqual([100, 300]);
    expect([queues[0]!.predictedPackets, countedPackets]).toEqual([first!.packets, 400]);
    expect(elsewhere).toBeCloseTo(Math.abs(first!.packets / 400 - 0.25), 9);
    expect(await text(args)).toMatch(/^ +0 +\d+ +\d+\.\d % +100 +25\.0 %$/m);
    const wrong = await rxsteer(['replay', path, '--policy', 'rss', '--counters', path]);
    expect(wrong).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('no counter of a receive queue'),
    });
  });
});
