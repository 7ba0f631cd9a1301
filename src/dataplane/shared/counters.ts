/**
 * Counters of the data plane in shared memory.
 *
 * Promise: every counter has exactly one writing thread, is exact (a double counts to 2^53 without loss, 95 years
 * at three million a second) and can be read by anyone at any time without disturbing the writer. A restarted
 * worker goes on counting where its predecessor stopped.
 *
 * Reading while workers run gives each counter's value at slightly different moments; sums are exact at rest.
 */

import type { Carver } from '../memory/layout.js';
import { carveGuests } from '../order/guest-sharing.js';
import { carveOrder } from '../order/meter.js';

/** Reasons a frame can be dropped for: a closed list, in the order of the summary. */
export const DROP_REASONS = [
  'backlog',
  'txFull',
  'noRoute',
  'filtered',
  'tooLong',
  'malformed',
  'portDown',
  'workerDied',
  'hold',
] as const;
/** Why a frame was dropped: a closed list. */
export type DropReason = (typeof DROP_REASONS)[number];

/** Index of each drop reason behind `WorkerCounter.dropped`. */
export const Drop = Object.fromEntries(DROP_REASONS.map((name, i) => [name, i])) as Record<
  DropReason,
  number
>;

/** Counters of one worker. */
export const WorkerCounter = {
  received: 0,
  processed: 1,
  handedOff: 2,
  wakeupsSent: 3,
  wakeupsReceived: 4,
  transmitted: 5,
  delivered: 6,
  floodedCopies: 7,
  deliveredCopies: 8,
  copiesDropped: 9,
  segmentCopies: 10,
  reordered: 11,
  /** Frames that the order ledger could not watch. */
  unwatched: 12,
  /** Frames whose headers contradict themselves or the frame; they were forwarded all the same. */
  badHeaders: 13,
  /** Failed tries to take a shared transmit queue, and the time waited for it. */
  lockContended: 14,
  lockWaitNs: 15,
  /** Time spent asleep and time since the worker started, in nanoseconds. */
  sleptNs: 16,
  elapsedNs: 17,
  /** Passes of the loop, passes without work, times it slept. */
  loops: 18,
  sleeps: 19,
  /** Passes in which a queue could not be received from because the pool was empty. */
  poolEmpty: 20,
  /** Deaths of this worker. Written by the main thread. */
  deaths: 21,
  /** CPU time of the worker's threads in nanoseconds (native layer only). */
  cpuNs: 22,
  dropped: 24,
  /** See `MoveCounter`. */
  moves: 40,
} as const;
const WORKER_COUNTERS = 48;

/** Counters of one worker at one port. */
export const PortCounter = {
  rxPackets: 0,
  rxBytes: 1,
  txPackets: 2,
  txBytes: 3,
  txErrors: 4,
  deliveredPackets: 5,
  deliveredBytes: 6,
  /** Drops that the kernel counted and a receiver read (reading clears the kernel's counter). */
  kernelDrops: 7,
  /** Frames dropped as malformed because their offload header asks for what nobody sends (`ReceiveStatus.absurd`). */
  absurd: 8,
  /** Frames that were not flooded for want of budget. Written by the worker that forwards. */
  floodLimited: 9,
  /** Frames dropped as filtered because their addresses are not the port's (`mac=`, `ip=`). */
  spoofed: 10,
  /** Frames received that exceed the largest slot, frames and segments that exceed the device's MTU. */
  rxTooLong: 11,
  txTooLong: 12,
  /** Super-frames that the port cannot take whole and that cannot be segmented either; dropped as malformed. */
  unsegmentable: 13,
} as const;
const PORT_COUNTERS = 16;

/** Counters of one receive queue; written by the worker that polls it. */
export const QueueCounter = { packets: 0, bytes: 1 } as const;
const QUEUE_COUNTERS = 16;

/** Counters of one hand-off direction; written by the sending worker. */
export const HandoffCounter = { packets: 0, drops: 1, highWater: 2 } as const;
const HANDOFF_COUNTERS = 16;

export interface CounterShape {
  readonly workers: number;
  readonly ports: number;
  /** Receive queues of all ports together. */
  readonly queues: number;
}

export function carveCounters(carver: Carver, shape: CounterShape) {
  return {
    worker: Array.from({ length: shape.workers }, () => carver.doubles(WORKER_COUNTERS)),
    port: Array.from({ length: shape.workers }, () => carver.doubles(shape.ports * PORT_COUNTERS)),
    queue: carver.doubles(shape.queues * QUEUE_COUNTERS),
    /** Figures of order per class of flows, see `order/meter.ts`. */
    order: Array.from({ length: shape.workers }, () => carveOrder(carver)),
    /** Destinations that each worker has sent to, see `order/guest-sharing.ts`. */
    touch: Array.from({ length: shape.workers }, () => carveGuests(carver)),
    handoff: carver.doubles(shape.workers * shape.workers * HANDOFF_COUNTERS),
    /** `workerDied`, counted by the main thread per dead worker. */
    died: carver.doubles(shape.workers),
  };
}
export type Counters = ReturnType<typeof carveCounters>;

/** Index of a port's counters in `Counters.port[worker]`. */
export function portBase(port: number): number {
  return port * PORT_COUNTERS;
}

/** Index of a receive queue's counters in `Counters.queue`. */
export function queueBase(queue: number): number {
  return queue * QUEUE_COUNTERS;
}

/** Index of the counters of the hand-off `from` → `to` in `Counters.handoff`. */
export function handoffBase(workers: number, from: number, to: number): number {
  return (from * workers + to) * HANDOFF_COUNTERS;
}
