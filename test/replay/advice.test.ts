/** Advice on traffic of which it is known what helps. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#rxsteer/hash/random.js';
import * as build from '#rxsteer/packet/build.js';
import { concatBytes } from '#rxsteer/packet/build-bytes.js';
import * as tunnel from '#rxsteer/packet/build-tunnel.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { commandsFor } from '#rxsteer/replay/advice/commands.js';
import { advise, canAdvise } from '#rxsteer/replay/advice/index.js';
import { replay } from '#rxsteer/replay/replay.js';
import type { Advice } from '#rxsteer/replay/result.js';
import * as files from '../capture/files.js';

const file = files.temporaryFiles();
let made = 0;

async function adviceOn(frames: readonly Uint8Array[], policies: readonly string[], workers = 4) {
  const records = frames.map((data, i) => ({ data, seconds: 1, fraction: i }));
  const path = file(`advice-${made++}.pcap`, files.pcap(records));
  const result = await replay([path], policies, { workers });
  const specs = policies.map((policy) => parsePolicy(policy));
  const advice = await advise([path], result, specs, workers, 0);
  return (id: string): Advice | undefined => advice.find((one) => one.id === id);
}

const address = (n: number) => `10.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
const mac = (n: number) => `02:00:00:00:00:${(n & 255).toString(16).padStart(2, '0')}`;

interface Tuple {
  readonly src: number;
  readonly dst: number;
  readonly sport: number;
  readonly dport: number;
}

const tcp = ({ src, dst, sport, dport }: Tuple, to = mac(dst)) =>
  build.ethernet(
    { dst: to, src: mac(99) },
    build.ipv4({ src: address(src), dst: address(dst) }, build.tcp({ sport, dport }, 10)),
  );
const udp = ({ src, dst, sport, dport }: Tuple) =>
  build.ethernet(
    { dst: mac(dst), src: mac(99) },
    build.ipv4({ src: address(src), dst: address(dst) }, build.udp({ sport, dport }, 10)),
  );
const fragment = ({ src, dst, sport, dport }: Tuple) =>
  build.ethernet(
    { dst: mac(dst), src: mac(99) },
    build.ipv4(
      { src: address(src), dst: address(dst), moreFragments: true },
      build.udp({ sport, dport }, 16),
    ),
  );

/** `count` packets of `flows` flows to `hosts` hosts, each as likely as its weight. */
function mix(count: number, flows: number, hosts: number, weight = (_: number) => 1): Uint8Array[] {
  const random = new SeededRandom(7);
  const tuples = Array.from({ length: flows }, (_, n) => ({
    src: 1000 + n,
    dst: 1 + (n % hosts),
    sport: 1024 + random.below(60_000),
    dport: 443,
  }));
  const bag = tuples.flatMap((tuple, n) => new Array<Tuple>(weight(n)).fill(tuple));
  return Array.from({ length: count }, () => tcp(bag[random.below(bag.length)]!));
}

describe('tables', () => {
  it('proposes one that is better on packets that it was not fitted to, and it really is', async () => {
    // 40 flows over 16 buckets: uneven, and the same all the time.
    // Halves end with a burst: 2048 packets each.
    const frames = mix(4096, 40, 8);
    const given = await adviceOn(frames, ['rss:queues=4,table=16']);
    const table = given('table')!;
    expect(table.severity).toBe('hint');
    const policy = table.commands.findLast((command) => command.startsWith('rss:'))!;
    const records = frames.slice(2048).map((data, i) => ({ data, seconds: 1, fraction: i }));
    const path = file('second-half.pcap', files.pcap(records));
    const { policies } = await replay([path], ['rss:queues=4,table=16', policy], { workers: 4 });
    const [before, after] = policies.map(({ fullestOverFair }) => fullestOverFair);
    expect(after).toBeLessThan(before! - 0.05);
    expect(table.text).toContain(before!.toFixed(2));
    expect(table.text).toContain(`brings the second half to ${after!.toFixed(2)}`);
  });

  it('does not propose one where the load jumps from bucket to bucket', async () => {
    const first = mix(2000, 3, 3);
    const other = mix(2000, 500, 3, (n) => (n >= 497 ? 300 : 1));
    const given = await adviceOn([...first, ...other], ['rss:queues=4']);
    expect(given('table')).toBeUndefined();
    expect(given('table-no-help')).toBeDefined();
  });

  it('leaves an even table alone', async () => {
    const given = await adviceOn(mix(8000, 4000, 8), ['rss:queues=4']);
    expect(given('table-even')!.commands).toEqual([]);
  });

  it('says that one flow cannot be split', async () => {
    const given = await adviceOn(
      mix(2000, 50, 8, (n) => (n === 0 ? 50 : 1)),
      ['rss:queues=4'],
    );
    expect(given('elephant')!.text).toMatch(/tcp 10\.0\.3\.232:\d+ > 10\.0\.0\.1:443, has (49|5\d) %/);
    expect((await adviceOn(mix(2000, 50, 8), ['rss:queues=4']))('elephant')).toBeUndefined();
    const four = await adviceOn(
      mix(4000, 50, 8, (n) => (n < 4 ? 20 : 1)),
      ['rss:queues=8'],
      8,
    );
    expect(four('elephant')!.text).toMatch(
      /^4 flows have more than the fair share of one of 8 queues each, together 6\d %/,
    );
    expect(four('elephant')!.text.match(/\(1\d %\)/g)).toHaveLength(4);
  });
});

describe('hash fields', () => {
  const flow = (n: number) => ({ src: n, dst: 200 + (n % 4), sport: 2000 + n, dport: 53 });

  it('warns of UDP ports where the same hosts send fragments', async () => {
    const frames = Array.from({ length: 400 }, (_, i) =>
      i % 40 === 0 ? fragment(flow(1)) : udp(flow(i % 20)),
    );
    const given = await adviceOn(frames, ['rss:queues=4']);
    expect(given('fragments-split')).toMatchObject({ severity: 'warning' });
    expect(given('fragments-split')!.text).toContain('10 packets (2.5 %) are fragments');
    expect(given('fragments-split')!.text).toContain('1 UDP flow runs between the same hosts');
    expect(given('udp-ports')).toBeUndefined();
  });

  /** Many flows between few hosts. */
  const between = Array.from({ length: 400 }, (_, i) =>
    udp({ src: i % 3, dst: 200, sport: 2000 + i, dport: 53 }),
  );

  it('recommends UDP ports where a policy leaves them out, with what they bring', async () => {
    const policies = ['rss:queues=4', 'rss:queues=4,types=ipv4+tcp-ipv4', 'rss:nic=ixgbe-82599,queues=4'];
    const records = between.map((data, i) => ({ data, seconds: 1, fraction: i }));
    const path = file('ports.pcap', files.pcap(records));
    const result = await replay([path], policies, { workers: 4 });
    const specs = policies.map((policy) => parsePolicy(policy));
    const all = (await advise([path], result, specs, 4, 0)).filter(({ id }) => id === 'udp-ports');
    // The first policy hashes them.
    expect(all.map(({ text }) => text.split(': ')[0])).toEqual(policies.slice(1));
    for (const [i, { text, commands }] of all.entries()) {
      expect(text.startsWith(policies[i + 1]!)).toBe(true);
      expect(commands).toContain('ethtool -N "$DEV" rx-flow-hash udp4 sdfn');
      expect(commands.some((line) => line.includes('udp6'))).toBe(i === 1);
      // What it promises is what a replay of the policy that it names finds.
      const [before, after] = (await replay([path], [policies[i + 1]!, commands.at(-1)!], { workers: 4 }))
        .policies;
      const figures = [before!, after!].map(({ fullestOverFair }) => fullestOverFair.toFixed(2));
      expect(commands[0]).toBe(`# ${figures.join(' -> ')}`);
      expect(text).toContain(`from ${figures.join(' to ')} times`);
    }
  });

  it('does not recommend them where they bring nothing, or where every policy hashes them', async () => {
    expect((await adviceOn(between, ['rss:queues=4', 'rps:cpus=0-3']))('udp-ports')).toBeUndefined();
    const hosts = Array.from({ length: 4000 }, (_, i) => udp({ src: i, dst: 200, sport: 2000, dport: 53 }));
    expect((await adviceOn(hosts, ['rss:queues=4,types=ipv4']))('udp-ports')).toBeUndefined();
  });

  it('leaves fragments to a policy that hashes addresses alone', async () => {
    const frames = between.map((frame, i) => (i % 40 === 0 ? fragment(flow(1)) : frame));
    const given = await adviceOn(frames, ['rss:queues=4,types=ipv4+tcp-ipv4']);
    expect(given('fragments-split')!.commands).toEqual([]);
    expect(given('fragments-split')!.text).toContain('leave it so');
  });

  it('counts flows whose directions part, and names a policy under which none does', async () => {
    const frames = Array.from({ length: 60 }, (_, n) => {
      const forth = { src: n, dst: 300, sport: 5000 + n, dport: 443 };
      return [tcp(forth), tcp({ src: 300, dst: n, sport: 443, dport: 5000 + n })];
    }).flat();
    const given = await adviceOn(frames, ['rss:queues=4']);
    const { text, commands } = given('directions-split')!;
    expect(text).toContain('Both directions of 60 flows (100 % of the packets)');
    const policy = commands.find((command) => command.startsWith('rss:'))!;
    expect((await adviceOn(frames, [policy]))('directions-split')).toBeUndefined();
  });

  it('says what mirrored frames are, and that Linux does not look into them', async () => {
    const inside = (n: number) =>
      build.ethernet(
        {},
        build.ipv4({ src: `10.0.0.${n}`, dst: '10.1.0.1' }, build.udp({ sport: n, dport: 9 })),
      );
    const header = Uint8Array.of(0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10, 1, 0, 7, 0, 0, 0, 1);
    const frames = Array.from({ length: 64 }, (_, n) =>
      build.ethernet(
        {},
        build.ipv4({ src: '192.0.2.1', dst: '198.51.100.2', protocol: 47 }, concatBytes(header, inside(n))),
      ),
    );
    const found = (await adviceOn(frames, ['rss:queues=4']))('tunnels-inner');
    expect(found!.text).toContain('in tunnels (gre, all of it mirrored frames: ERSPAN)');
    expect(found!.commands).toEqual(['rss:queues=4,inner=gre']);
  });

  it('asks which packets were received, where a capture with both directions does not say', async () => {
    const frames = Array.from({ length: 60 }, (_, n) => {
      const forth = { src: n, dst: 300, sport: 5000 + n, dport: 443 };
      return [tcp(forth), tcp({ src: 300, dst: n, sport: 443, dport: 5000 + n })];
    }).flat();
    const given = await adviceOn(frames, ['rss:queues=4']);
    expect(given('both-directions')!.text).toContain('100 % of the packets');
    expect(given('both-directions')!.commands[0]).toMatch(/--to 02:00:00:00:00:2c/);
    expect((await adviceOn(mix(200, 20, 4), ['rss:queues=4']))('both-directions')).toBeUndefined();
  });

  it('compares outer and inner hashing of tunnels by their loads', async () => {
    const inside = (n: number) => tcp({ src: n, dst: 300, sport: 5000 + n, dport: 443 });
    const wrap = (n: number, sport: number) =>
      build.ethernet(
        {},
        build.ipv4(
          { src: '192.0.2.1', dst: '192.0.2.2' },
          build.udp({ sport, dport: 4789 }, tunnel.vxlan(1, inside(n))),
        ),
      );
    const one = await adviceOn(
      Array.from({ length: 300 }, (_, n) => wrap(n, 50_000)),
      ['rss:queues=4'],
    );
    expect(one('tunnels-inner')!.text).toContain(
      '100 % of the packets are in tunnels (vxlan). Over 4 queues the fullest has 4.00 times',
    );
    expect(one('tunnels-inner')!.commands).toContain('rss:queues=4,inner=vxlan');
    const many = await adviceOn(
      Array.from({ length: 300 }, (_, n) => wrap(n, 50_000 + n)),
      ['rss:queues=4'],
    );
    expect(many('tunnels-inner')).toBeUndefined();
    expect(many('tunnels-outer')).toBeDefined();
  });
});

describe('MAC steering', () => {
  it('is possible with enough guests, impossible behind a gateway, unknown without addresses', async () => {
    expect((await adviceOn(mix(1000, 64, 16), ['rss:queues=4']))('mac-can')!.text).toContain(
      '16 destination MAC addresses',
    );
    const gateway = mix(1000, 64, 16).map((frame) => Uint8Array.from(frame).fill(2, 0, 6));
    expect((await adviceOn(gateway, ['rss:queues=4']))('mac-cannot')!.text).toContain(
      'there is 1 destination MAC address for 4 workers',
    );
    const none = mix(100, 8, 2).map((frame) => Uint8Array.from(frame).fill(0, 0, 6));
    expect((await adviceOn(none, ['rss:queues=4']))('mac-none')).toBeDefined();
  });
});

describe('commands', () => {
  const of = (policy: string, workers = 4) =>
    commandsFor(compilePolicy(parsePolicy(policy), { workers })).commands;

  it('sets up a NIC as the policy has it', () => {
    const lines = of('rss:queues=4,weight=32+32+32+32,types=ipv4+tcp-ipv4,symmetric=xor,key=symmetric');
    expect(lines).toContain('ethtool -L "$DEV" combined 4');
    expect(lines).toContain('ethtool -X "$DEV" weight 32 32 32 32');
    expect(lines).toContain('ethtool -X "$DEV" xfrm symmetric-xor');
    expect(lines.find((line) => line.includes('hkey'))).toMatch(/hkey 6d:5a:6d:5a/);
    expect(lines).toContain('ethtool -N "$DEV" rx-flow-hash tcp4 sdfn');
    expect(lines).toContain('ethtool -N "$DEV" rx-flow-hash udp4 sd');
    expect(lines).toContain('echo 8 > /sys/class/net/$DEV/queues/tx-3/xps_cpus');
  });

  it('sets nothing that the NIC does by itself', () => {
    expect(of('rss:nic=ixgbe-82599,queues=4')).toEqual([
      'DEV=eth0   # your interface',
      'ethtool -L "$DEV" combined 4',
    ]);
    expect(of('rss:nic=igb-82576,queues=4,key=microsoft')).toHaveLength(2);
    const key = of('rss:nic=ixgbe-82599,queues=4,key=microsoft');
    expect(key.filter((line) => line.startsWith('ethtool'))).toEqual([
      'ethtool -L "$DEV" combined 4',
      expect.stringMatching(/^ethtool -X "\$DEV" hkey 6d:5a:56:da/),
    ]);
    // Which CPU takes which queue is no part of a policy: that is said where it matters.
    const [first] = key.filter((line) => line.includes('xps_cpus'));
    expect(key[key.indexOf(first!) - 1]).toContain('smp_affinity_list');
  });

  it('sets up RPS and RFS, and says what Linux does not do', () => {
    expect(of('rps:cpus=0+2-3')).toContain(
      'for q in /sys/class/net/$DEV/queues/rx-*; do echo d > $q/rps_cpus; done',
    );
    const rfs = of('rfs:cpus=0-3,entries=1024,flows=256');
    expect(rfs).toContain('sysctl net.core.rps_sock_flow_entries=1024');
    expect(rfs).toContain('for q in /sys/class/net/$DEV/queues/rx-*; do echo 256 > $q/rps_flow_cnt; done');
    expect(of('round-robin')).toEqual([]);
  });
});

it('needs captures that can be read twice, with packets', async () => {
  const path = file('none.pcap', files.pcap([]));
  const empty = await replay([path], ['single']);
  expect(canAdvise([path], empty)).toBe(false);
  const some = await replay(
    [file('one.pcap', files.pcap([{ data: mix(1, 1, 1)[0]!, seconds: 1, fraction: 0 }]))],
    ['single'],
  );
  expect(canAdvise(['-'], some)).toBe(false);
  expect(canAdvise(['x'], some)).toBe(true);
});
