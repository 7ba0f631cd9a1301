/**
 * Suite `parse`: dissecting a burst of frames, and what steering by RSS adds to it, nanoseconds a frame.
 *
 * `realistic` is a mix as a server sees it: 62 % TCP and 14 % UDP over IPv4, 14 % TCP and 4 % UDP over IPv6, 4 % of
 * that tagged in addition, 2 % fragments, ARP the rest. `dissect + rss` is dissection, hash and indirection table.
 */
import { nativeHashKernels, nativeKernelNames } from '#rxsteer/addon/hash-kernels.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { BURSTS, FRAME_KINDS, inTurn, randomBursts } from './frames.js';
import { type Case, microResults, runCases, timesOf } from './micro.js';
import { type BenchOptions, present, ratioOf, type Suite, type SuiteReport } from './runner.js';
import { peerRounds } from './toeplitz.js';

const REALISTIC = 'realistic';
const SLOT = 2048;
const HEADROOM = 64;
const WORKERS = 4;

function realisticFrame(random: SeededRandom): Uint8Array {
  const share = random.below(100);
  const byte = () => 1 + random.below(254);
  const v4 = { src: `10.${byte()}.${byte()}.${byte()}`, dst: `192.0.2.${byte()}` };
  const v6 = { src: `2001:db8::${byte()}:${byte()}`, dst: `2001:db8:1::${byte()}` };
  const ports = { sport: 1024 + random.below(60_000), dport: 443 };
  const link = {
    dst: `52:54:00:12:34:${(0x50 + random.below(16)).toString(16)}`,
    padTo: 60,
    ...(random.below(25) === 0 ? { vlans: [100] } : {}),
  };
  if (share < 62) return ethernet(link, ipv4(v4, tcp(ports, 6)));
  if (share < 76) return ethernet(link, ipv4(v4, udp(ports, 18)));
  if (share < 90) return ethernet(link, ipv6(v6, tcp(ports, 6)));
  if (share < 94) return ethernet(link, ipv6(v6, udp(ports, 18)));
  if (share < 96) return ethernet(link, ipv4({ ...v4, moreFragments: true }, udp(ports, 16)));
  return ethernet({ ...link, ethertype: 0x0806 }, new Uint8Array(28));
}

/** As `randomBursts`, of the realistic mix. */
function realisticBursts(): Burst[] {
  const random = new SeededRandom(1);
  const bytes = new Uint8Array(new SharedArrayBuffer(BURSTS * BURST_MAX * SLOT));
  return Array.from({ length: BURSTS }, (_, b) => {
    const burst = new Burst(bytes, false);
    for (let i = 0; i < BURST_MAX; i++) {
      const frame = realisticFrame(random);
      const off = (b * BURST_MAX + i) * SLOT + HEADROOM;
      bytes.set(frame, off);
      burst.add(off, frame.length);
    }
    return burst;
  });
}

/** A worker has one burst object, so a policy each: a kernel is bound to it. */
function steerCall(isNative: boolean): () => void {
  const kernels = isNative ? nativeHashKernels() : undefined;
  const make = () =>
    compilePolicy(parsePolicy('rss', { command: 'forward', workers: WORKERS }), {
      workers: WORKERS,
      ...(kernels === undefined ? {} : { kernels }),
    });
  const shared = make();
  const pairs = realisticBursts().map((burst) => ({ burst, steering: isNative ? make() : shared }));
  let next = 0;
  return () => {
    next = (next + 1) % pairs.length;
    const { burst, steering } = pairs[next]!;
    dissectBurst(burst);
    steering.steer(burst);
  };
}

const steerName = (isNative: boolean) => `dissect + rss, ${isNative ? 'native' : 'table'}/${REALISTIC}`;
const sides = () => (nativeKernelNames().length === 0 ? [false] : [false, true]);

export function cases(): Case[] {
  return [
    ...FRAME_KINDS.map((kind) => ({
      name: kind,
      items: BURST_MAX,
      call: () => inTurn(randomBursts(kind, 1, false), dissectBurst),
    })),
    { name: REALISTIC, items: BURST_MAX, call: () => inTurn(realisticBursts(), dissectBurst) },
    ...sides().map((side) => ({ name: steerName(side), items: BURST_MAX, call: () => steerCall(side) })),
  ];
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'parse';
  const list = cases();
  const { problem, round } = peerRounds();
  const samples = await runCases(suite, import.meta.url, list, options, round);
  const names = list.map(({ name }) => name);
  const peer = 'rte_softrss_be';
  const all = sides();
  return {
    results: microResults(suite, samples, names),
    ratios: present(
      all.map((side) => {
        // Asked of what the forwarder does on this machine.
        const wanted = side === all.at(-1) ? '<= 0.3' : null;
        const ratio = `${steerName(side)} / ${peer}`;
        return ratioOf(ratio, timesOf(samples, steerName(side)), timesOf(samples, peer), wanted);
      }),
    ),
    notes: problem === '' ? [] : [problem],
  };
}

export const parse: Suite = { name: 'parse', about: 'dissecting frames, and steering them by RSS', run };
