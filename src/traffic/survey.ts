/**
 * How the flows of a spread capture are shared out among the kinds of packets in it.
 *
 * Promise: a packet keeps its IP version, protocol and being a fragment or not, so flows belong to one such kind
 * each; every kind has at least one flow, and together they are the wanted number where that is enough. Inside a
 * kind each flow gets its exact share of the packets; fragments follow their datagram instead.
 */
import { ethernetLength, writeEthernet } from '../capture/ethernet.js';
import { PACKET_BYTES_MAX } from '../capture/format.js';
import type { CaptureStream } from '../capture/stream.js';
import { BURST_MAX, Burst, FrameFlag, Kind } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { apportion, flowWeights, Schedule } from './shares.js';

/** Kinds: protocol, IP version, fragment or not. */
const KINDS = 1024;

/** Number of the kind of a dissected IP packet. */
export function packetKind(kind: number): number {
  const protocol = (kind >>> Kind.protocolShift) & 0xff;
  const ipv6 = (kind & Kind.ipMask) === Kind.ipv6 ? 1 : 0;
  return protocol * 4 + ipv6 * 2 + ((kind & Kind.fragment) === 0 ? 0 : 1);
}

/** Reads a capture to its end and counts the IP packets of each kind. @throws UserError */
export async function surveyCapture(input: CaptureStream): Promise<Float64Array> {
  const counts = new Float64Array(KINDS);
  const bytes = new Uint8Array(BURST_MAX * 2048 + PACKET_BYTES_MAX);
  const burst = new Burst(bytes);
  let end = 0;
  const flush = () => {
    dissectBurst(burst);
    for (let i = 0; i < burst.n; i++) {
      if ((burst.kind[i]! & Kind.addresses) !== 0) counts[packetKind(burst.kind[i]!)]!++;
    }
    burst.n = 0;
    end = 0;
  };
  for await (const batch of input) {
    for (let i = 0; i < batch.n; i++) {
      const captured = batch.len[i]!;
      const length = Math.max(0, ethernetLength(batch.linkType[i]!, captured));
      if (length > 0) writeEthernet(batch.linkType[i]!, batch.bytes, batch.off[i]!, captured, bytes, end);
      burst.add(end, length, batch.original[i]! > captured ? FrameFlag.truncated : 0);
      end += length;
      if (burst.n === BURST_MAX || end > BURST_MAX * 2048) flush();
    }
  }
  flush();
  return counts;
}

/** Flows of one kind. */
interface Part {
  /** Number of its first flow. */
  readonly first: number;
  readonly weights: Float64Array;
  readonly schedule: Schedule | null;
  next: number;
}

/** Draws an item by weights, its place given as 32 random bits. */
export function drawBy(upTo: Float64Array, bits: number): number {
  const place = (bits / 0x1_0000_0000) * upTo[upTo.length - 1]!;
  let low = 0;
  let high = upTo.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (upTo[middle]! > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Running sums. */
export function runningSums(weights: Float64Array): Float64Array {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}

/** The flows of a spread capture by kind of packet. */
export class FlowShares {
  readonly #parts: (Part | undefined)[] = [];

  constructor(counts: Float64Array, flows: number, zipf: number, seed: number) {
    const present = Array.from(counts.keys()).filter((kind) => counts[kind]! > 0);
    const packets = Float64Array.from(present, (kind) => counts[kind]!);
    const shares = apportion(packets, Math.max(flows, present.length));
    let first = 0;
    present.forEach((kind, k) => {
      const weights = flowWeights(shares[k]!, zipf, 0, 0);
      const isFragment = (kind & 1) === 1;
      this.#parts[kind] = {
        first,
        weights: runningSums(weights),
        schedule: isFragment ? null : new Schedule(apportion(weights, packets[k]!), seed ^ kind),
        next: 0,
      };
      first += shares[k]!;
    });
  }

  /** Flow of the next packet of a kind; `bits` decides where there is no schedule, or `keep` is wanted. */
  choose(kind: number, bits: number, keep: boolean): number {
    const part = this.#parts[kind];
    // The capture has changed since it was surveyed.
    if (part === undefined) return 0;
    const { schedule } = part;
    if (!keep && schedule !== null && part.next < schedule.total) {
      return part.first + schedule.flowOf(part.next++);
    }
    return part.first + drawBy(part.weights, bits);
  }
}
