/** Bursts of frames for the micro-benchmarks, made from a seed. */
import { SeededRandom } from '#rxsteer/hash/random.js';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

export const FRAME_KINDS = ['tcp-ipv4', 'udp-ipv4', 'tcp-ipv6', 'vlan-tcp-ipv4', 'mixed'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

/** Slot size and offset inside it, as in the forwarder's pool: neighbouring frames never share a cache line. */
const SLOT = 2048;
const HEADROOM = 64;
/** Bursts of a case: 512 frames in 1 MiB are beyond the first-level cache, as received frames are. */
export const BURSTS = 8;

function quad(random: SeededRandom): string {
  return `10.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`;
}

function six(random: SeededRandom): string {
  return `2001:db8::${random.below(65536).toString(16)}:${(1 + random.below(65535)).toString(16)}`;
}

/** A random frame of a kind, without FCS. Guests: 16 destination MACs. */
export function randomFrame(kind: FrameKind, random: SeededRandom): Uint8Array {
  const kinds = FRAME_KINDS.filter((name) => name !== 'mixed');
  const one = kind === 'mixed' ? kinds[random.below(kinds.length)]! : kind;
  const ports = { sport: 1024 + random.below(60_000), dport: 1024 + random.below(60_000) };
  const payload = one.includes('udp') ? udp(ports, 18) : tcp(ports, 6);
  const packet = one.endsWith('ipv6')
    ? ipv6({ src: six(random), dst: six(random) }, payload)
    : ipv4({ src: quad(random), dst: quad(random) }, payload);
  const dst = `52:54:00:12:34:${(0x50 + random.below(16)).toString(16)}`;
  return ethernet({ dst, padTo: 60, ...(one.startsWith('vlan') ? { vlans: [100] } : {}) }, packet);
}

/** `BURSTS` full bursts over one pool, dissected if asked. */
export function randomBursts(kind: FrameKind, seed: number, dissected: boolean): Burst[] {
  const random = new SeededRandom(seed);
  const bytes = new Uint8Array(new SharedArrayBuffer(BURSTS * BURST_MAX * SLOT));
  return Array.from({ length: BURSTS }, (_, b) => {
    const burst = new Burst(bytes, false);
    for (let i = 0; i < BURST_MAX; i++) {
      const frame = randomFrame(kind, random);
      const off = (b * BURST_MAX + i) * SLOT + HEADROOM;
      bytes.set(frame, off);
      burst.add(off, frame.length);
    }
    if (dissected) dissectBurst(burst);
    return burst;
  });
}

/** Calls `batch` with the bursts in turn, one a call. */
export function inTurn(bursts: readonly Burst[], batch: (burst: Burst) => void): () => void {
  let next = 0;
  return () => {
    batch(bursts[next]!);
    next = (next + 1) % bursts.length;
  };
}
