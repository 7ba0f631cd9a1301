/**
 * Which flows of a memory source arrive on which of its receive queues, and how many frames each queue gives.
 *
 * Promise: pure. The frames of all queues together are the same mix, whatever the placement: each ordinary flow has the
 * same share, the elephants theirs, and a finite number of frames is divided exactly. So a queue with more than its
 * fair share is the last to end, as it would be the first to overflow.
 *
 * With `stage=nic` the source is the NIC: it places each flow where the policy says. Otherwise each
 * guest's flows go to the queues in turn, which favours no policy.
 */
import { BURST_MAX, Burst } from '../../../packet/burst.js';
import { dissectBurst } from '../../../packet/dissect.js';
import type { Steering } from '../../../policy/steering.js';
import type { MemorySourceOptions } from './options.js';

/** What one receive queue of a source gives. */
export interface SourcePart {
  /** Flow ids visited in rounds. */
  readonly ordinary: Int32Array;
  /** Flow ids of the elephants, visited in turn. */
  readonly heavy: Int32Array;
  /** Share of this part's frames that belong to elephants, in 2^-20. */
  readonly heavyShare: number;
  /** Frames in all; Infinity for an endless source. */
  readonly packets: number;
  /** Frames a second; 0 = as fast as they are taken. */
  readonly rate: number;
}

/** One in `heavyShare`. */
export const SHARE_ONE = 1 << 20;

/** True for the flows that carry `share` of the traffic. */
function isHeavy(options: MemorySourceOptions, flow: number): boolean {
  if (options.elephant === 'flow') return flow === 0;
  return options.elephant === 'guest' && flow % options.guests === 0;
}

/** Divides a source's flows among its queues; `queueOf[flow]` is the flow's queue. */
export function divideSource(options: MemorySourceOptions, queueOf: Int32Array): SourcePart[] {
  const { flows, queues, packets, rate } = options;
  const ordinary: number[][] = Array.from({ length: queues }, () => []);
  const heavy: number[][] = Array.from({ length: queues }, () => []);
  let elephants = 0;
  for (let flow = 0; flow < flows; flow++) {
    const isElephant = isHeavy(options, flow);
    if (isElephant) elephants++;
    (isElephant ? heavy : ordinary)[queueOf[flow]!]!.push(flow);
  }
  // All or none: the elephants' share is what there is.
  const share = elephants === 0 ? 0 : elephants === flows ? 1 : options.share / 100;
  const ofOrdinary = elephants === flows ? 0 : (1 - share) / (flows - elephants);
  const ofHeavy = elephants === 0 ? 0 : share / elephants;
  let weight = 0;
  return ordinary.map((list, q) => {
    const heavyWeight = heavy[q]!.length * ofHeavy;
    const mine = list.length * ofOrdinary + heavyWeight;
    const before = Math.round(weight * packets);
    weight += mine;
    const last = q === queues - 1;
    return {
      ordinary: Int32Array.from(list),
      heavy: Int32Array.from(heavy[q]!),
      heavyShare: list.length === 0 ? SHARE_ONE : Math.round((heavyWeight / mine) * SHARE_ONE),
      packets:
        mine === 0
          ? 0
          : packets === 0
            ? Number.POSITIVE_INFINITY
            : (last ? packets : Math.round(weight * packets)) - before,
      rate: rate * mine,
    };
  });
}

/** Each guest's flows in turn: every queue has flows of every guest. */
export function placeInTurn({ flows, guests, queues }: MemorySourceOptions): Int32Array {
  return Int32Array.from(
    { length: flows },
    (_, flow) => ((flow % guests) + Math.floor(flow / guests)) % queues,
  );
}

/**
 * Where a policy sends each flow, as queue numbers.
 * @param frameOf a frame of a flow; may be reused for the next one
 */
export function placeBySteering(
  { flows, queues }: MemorySourceOptions,
  port: number,
  steering: Steering,
  frameOf: (flow: number) => Uint8Array,
): Int32Array {
  const slot = 128;
  const burst = new Burst(new Uint8Array(BURST_MAX * slot));
  burst.port = port;
  const queueOf = new Int32Array(flows);
  for (let first = 0; first < flows; first += BURST_MAX) {
    const n = Math.min(BURST_MAX, flows - first);
    for (let i = 0; i < n; i++) {
      const frame = frameOf(first + i).subarray(0, slot);
      burst.bytes.set(frame, i * slot);
      burst.add(i * slot, frame.length);
    }
    dissectBurst(burst);
    steering.steer(burst);
    for (let i = 0; i < n; i++) {
      const queue = burst.rxq[i]!;
      queueOf[first + i] = (queue >= 0 ? queue : burst.worker[i]!) % queues;
    }
    burst.n = 0;
  }
  return queueOf;
}
