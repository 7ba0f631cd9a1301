/** Policies that are asked once a flow against the same policies asked about every packet. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#rxsteer/hash/random.js';
import * as build from '#rxsteer/packet/build.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { compileAlone } from '#rxsteer/policy/compile-plain.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { runsByFlow } from '#rxsteer/replay/flow-run.js';
import { parseModel } from '#rxsteer/replay/model.js';
import { type ReplayOptions, replay, replayWith } from '#rxsteer/replay/replay.js';
import * as files from '../capture/files.js';
import { matrix } from '../support/matrix.js';
import { mixedPackets } from './traffic.js';

const file = files.temporaryFiles();

/** TCP and UDP flows, some without ports to speak of; now and then a packet that is not like the others of its flow. */
function unevenPackets(count: number, flows: number, odd: number): Uint8Array[] {
  const random = new SeededRandom(5);
  return Array.from({ length: count }, () => {
    const n = Math.min(random.below(flows), random.below(flows));
    const ports = n % 5 === 0 ? { sport: 0, dport: 0 } : { sport: 1000 + n, dport: 443 };
    const transport = n % 3 === 0 ? build.udp(ports, random.below(90)) : build.tcp(ports, random.below(90));
    const what = random.below(1000) < odd ? random.below(5) : -1;
    const ip = { src: `10.0.${n >> 8}.${n & 255}`, dst: `10.9.0.${n % 7}` };
    const packet = build.ipv4(
      {
        ...ip,
        moreFragments: what === 0,
        ...(what === 1 ? { options: Uint8Array.of(1, 1, 1, 1) } : {}),
      },
      transport,
    );
    const own = n % 4 === 0 ? [7] : [];
    const vlans = what === 2 ? [9] : what === 3 ? [9, 7] : own;
    const dst = `02:00:00:00:00:0${n % 3}`;
    const frame = build.ethernet({ vlans, dst, padTo: 60 }, packet);
    return what === 4 ? frame.subarray(0, 30 + random.below(20)) : frame;
  });
}

const record = (frame: Uint8Array, i: number) => ({ data: frame, seconds: 1000, fraction: (i >> 2) * 3 });
const mixed = mixedPackets(4000, 300).map(({ frame }, i) => record(frame, i));
const captures = {
  'of everything': file('mixed.pcap', files.pcap(mixed)),
  'of flows with odd packets': file('odd.pcap', files.pcap(unevenPackets(12_000, 400, 30).map(record))),
  // Fragments of UDP without ports belong to the flow and some policies send them elsewhere: they may overtake.
  'of flows that move': file(
    'few.pcap',
    files.pcap([31, 16, 46, 91].flatMap((flows) => unevenPackets(3000, flows, 15).map(record))),
  ),
  'of plain flows': file('plain.pcap', files.pcap(unevenPackets(12_000, 3000, 0).map(record))),
};

const POLICIES = [
  'rss:queues=8',
  'rss:queues=8,types=ipv4+tcp-ipv4+udp-ipv4,symmetric=sort',
  // Unlike Toeplitz it hashes ports of 0 otherwise than none.
  'rss:queues=8,function=crc32c,types=ipv4+tcp-ipv4+udp-ipv4',
  'rps:cpus=0-7',
  'rps:cpus=1-3,hash=toeplitz',
  'single',
];
const settings: Record<string, ReplayOptions> = {
  'the default': {},
  'no time to spare': { gapNs: 150, model: parseModel('packet=900,backlog=20') },
  'a workload that comes and goes': { speed: 3, model: parseModel('packet=2500,byte=0.3,wakeup=5000') },
};

describe('a policy that decides by flow', () => {
  const cases = Object.entries(captures).flatMap(([what, path]) =>
    Object.entries(settings).map(([how, options]) => [what, how, path, options] as const),
  );
  it.each(matrix(cases, [0, 4, 8, 9]))(
    'counts like one that sees every packet: a capture %s, %s',
    async (_what, _how, path, options) => {
      const own = { ...options, workers: 8 };
      // Whoever takes packets gets all of them.
      const takers = () => POLICIES.map(() => () => {});
      const asked = await replayWith([path], POLICIES, { ...own, takers });
      expect(await replay([path], POLICIES, own)).toEqual(asked);
      expect(await replay([path], POLICIES, { ...own, parallel: 'always', threads: 2 })).toEqual(asked);
      expect(asked.policies[0]!.workers.some(({ packets }) => packets > 0)).toBe(true);
    },
  );

  it('is one that looks at nothing else', () => {
    const isByFlow = (text: string) => runsByFlow(compilePolicy(parsePolicy(text), { workers: 8 }));
    for (const text of POLICIES) expect(isByFlow(text), text).toBe(true);
    for (const text of [
      'round-robin',
      'rfs:cpus=0-7',
      'mac-hash:queues=4',
      'rss:queues=8,inner=vxlan',
      'rss:queues=8,order=strict',
      'rss:queues=8,nic=ena,types=mac',
    ])
      expect(isByFlow(text), text).toBe(false);
    const rules = {
      policy: 'rss',
      queues: 8,
      nic: 'ixgbe-82599',
      rules: ['flow-type tcp4 dst-port 80 action 3'],
    };
    expect(runsByFlow(compilePolicy(parsePolicy(rules)))).toBe(false);
  });
});

describe('compileAlone', () => {
  it.each([...POLICIES, 'round-robin', 'mac', 'rss:nic=ixgbe-82599,queues=16'])(
    'gives what compilePolicy gives: %s',
    async (text) => {
      const spec = parsePolicy(text);
      const one = await compileAlone(spec);
      const other = compilePolicy(spec);
      expect(one.constructor).toBe(other.constructor);
      expect([one.workers, one.queues, one.text]).toEqual([other.workers, other.queues, other.text]);
      await expect(compileAlone(spec, { workers: 0 })).rejects.toThrow(/workers 0: expected 1 to 1024/);
    },
  );
});
