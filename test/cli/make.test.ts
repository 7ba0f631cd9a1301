/** `rxsteer make` as it is called: formats, standard output, the summary, and what is refused. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openCapture } from '#rxsteer/capture/stream.js';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';

const main = new URL(import.meta.resolve('#rxsteer/cli/main.js')).pathname;
const SMALL = ['--packets', '300', '--flows', '10'];

async function read(path: string) {
  const stream = await openCapture(path);
  const packets: [number, number, number][] = [];
  for await (const batch of stream) {
    for (let i = 0; i < batch.n; i++) packets.push([batch.len[i]!, batch.seconds[i]!, batch.nanoseconds[i]!]);
  }
  return { packets, warning: stream.status.warning };
}

describe('rxsteer make', () => {
  it('writes one content in every format', async () => {
    await withFolder(async (path) => {
      const names = ['a.pcap', 'a.pcapng', 'a.pcap.gz', 'a.pcapng.gz'];
      for (const name of names) {
        expect((await rxsteer(['make', path(name), ...SMALL, '--rate', '3M'])).code).toBe(0);
      }
      const all = await Promise.all(names.map((name) => read(path(name))));
      expect(all[0]!.packets).toHaveLength(300);
      expect(all[0]!.packets[2]).toEqual([expect.any(Number), 1_700_000_000, 666]);
      for (const one of all) expect(one).toEqual(all[0]);
      expect(gunzipSync(readFileSync(path('a.pcap.gz'))).equals(readFileSync(path('a.pcap')))).toBe(true);
      await rxsteer(['make', path('us.pcap'), ...SMALL, '--rate', '3M', '--format', 'pcap-us']);
      const micro = await read(path('us.pcap'));
      expect(micro.packets.map(([length]) => length)).toEqual(all[0]!.packets.map(([length]) => length));
      expect(micro.packets[4]![2]).toBe(1000);
    });
  });

  it('writes to standard output, the summary to standard error', async () => {
    await withFolder(async (path) => {
      const args = [main, 'make', '-', ...SMALL, '--json'];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { encoding: 'buffer' });
      writeFileSync(path('out.pcap'), stdout);
      expect((await read(path('out.pcap'))).packets).toHaveLength(300);
      expect(JSON.parse(stderr.toString())).toMatchObject({ file: null, packets: 300, flows: 10 });
    });
  });

  it('tells what it made', async () => {
    await withFolder(async (path) => {
      const imbalance = ['--imbalance', 'rss:nic=ice-e810,queues=8', '--hot-queue', '3', '--share', '0.7'];
      const { stdout } = await rxsteer([
        'make',
        path('a.pcap'),
        '--packets',
        '1k',
        '--flows',
        '100',
        ...imbalance,
      ]);
      expect(stdout).toContain('hot      queue 3 with 70.0 % of the packets');
      const json = await rxsteer([
        'make',
        path('b.pcap'),
        '--packets',
        '1k',
        '--flows',
        '100',
        ...imbalance,
        '--json',
      ]);
      const made = JSON.parse(json.stdout);
      expect(made).toMatchObject({
        packets: 1000,
        flows: 100,
        guests: 1,
        fragments: 0,
        seed: 1,
        format: 'pcap',
      });
      expect(made.imbalance.queues[3]).toBe(700);
      const { packets } = await read(path('b.pcap'));
      expect(made.bytes).toBe(packets.reduce((sum, [length]) => sum + length, 0));
      expect(readFileSync(path('a.pcap')).equals(readFileSync(path('b.pcap')))).toBe(true);
    });
  });

  it('counts as replay does', async () => {
    await withFolder(async (path) => {
      const shape = [
        '--protocols',
        'tcp,udp,sctp,icmp',
        '--ipv6',
        '0.3',
        '--fragments',
        '0.2',
        '--clients',
        '7',
        '--guests',
        '5',
      ];
      const tunnels = ['--tunnels', 'vxlan=0.2,gre=0.2', '--vlans', '3'];
      for (const more of [[], tunnels]) {
        const args = [
          'make',
          path('a.pcap'),
          '--packets',
          '2k',
          '--flows',
          '90',
          ...shape,
          ...more,
          '--json',
        ];
        const made = JSON.parse((await rxsteer(args)).stdout);
        const replayed = await rxsteer(['replay', path('a.pcap'), '--policy', 'single', '--json']);
        const { packets, bytes, flows, fragments, vlanTagged, destinationMacs } = JSON.parse(
          replayed.stdout,
        ).capture;
        expect({ packets, bytes, flows, fragments, vlanTagged, guests: destinationMacs }).toEqual({
          packets: made.packets,
          bytes: made.bytes,
          flows: made.flows,
          fragments: made.fragments,
          vlanTagged: made.vlanTagged,
          guests: made.guests,
        });
      }
    });
  });

  it.each([
    [['--flows', '0'], '--flows: 0: expected a whole number from 1'],
    [['--flows', 'many'], '--flows: "many" is not a number such as'],
    [['--elephant-share', '2'], '--elephant-share: "2": expected a number from 0 to 1'],
    [['--size', '9'], '--size: "9" is no frame size'],
    [['--protocols', 'tcp=x'], '--protocols: "tcp=x": expected NAME=WEIGHT pairs'],
    [['--tunnels', 'vxlam'], '--tunnels: unknown tunnel "vxlam": did you mean vxlan'],
    [['--hot-queue', '3'], '--hot-queue: goes with --imbalance POLICY only'],
    [['--imbalance', 'rss:queues=4'], '--imbalance: --hot-queue is needed too'],
    [['--as-flows', '3'], '--as-flows: goes with --from CAPTURE only'],
    [['--from', 'x.pcap'], '--from: --as-flows N or --as-macs N is needed'],
    [
      ['--from', 'x.pcap', '--as-flows', '3', '--zipf', '1', '--size', '64'],
      '--size: does not go with --from',
    ],
    [['--from', '-', '--as-flows', '3'], '--as-flows: reads the capture twice'],
    [['--from', '/nowhere/x.pcap', '--as-flows', '3'], '/nowhere/x.pcap: no such file'],
    [['--format', 'erf'], '--format: "erf": expected one of pcap, pcap-us, pcapng'],
    [['--arrivals', 'late'], '--arrivals: "late": expected one of constant, poisson, bursts'],
  ])('refuses %j and writes nothing', async (args, message) => {
    await withFolder(async (path) => {
      const { code, stdout, stderr } = await rxsteer(['make', path('a.pcap'), ...args]);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(existsSync(path('a.pcap'))).toBe(false);
    });
  });

  it('never reads the file that it writes', async () => {
    await withFolder(async (path) => {
      await rxsteer(['make', path('a.pcap'), ...SMALL]);
      const { code, stderr } = await rxsteer([
        'make',
        path('a.pcap'),
        '--from',
        path('a.pcap'),
        '--as-flows',
        '3',
      ]);
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining('a.pcap: is read by this command, and would be overwritten'),
      ]);
      expect((await read(path('a.pcap'))).packets).toHaveLength(300);
    });
  });

  it('says when the disk is full', async () => {
    const { code, stderr } = await rxsteer(['make', '/dev/full', ...SMALL]);
    expect([code, stderr]).toEqual([2, 'rxsteer: /dev/full: no space left on the device\n']);
  });
});
