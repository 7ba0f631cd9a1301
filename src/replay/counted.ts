/**
 * A prediction beside what the NIC counted.
 *
 * Promise: pure. `elsewhere` is the least part of the packets that must have gone to another queue than predicted: half
 * of the sum of the differences between the queues' shares. 0 says that the shares agree, not that each packet does.
 */
import type { QueueCounter } from '../nic/queue-counters.js';

/** One queue: shares of all packets, predicted and counted. */
export interface CountedQueue {
  readonly id: number;
  readonly predictedPackets: number;
  readonly predictedShare: number;
  readonly countedPackets: number;
  readonly countedShare: number;
  readonly countedBytes: number | null;
}

/** A policy's queues beside the counters. */
export interface Counted {
  readonly queues: readonly CountedQueue[];
  readonly predictedPackets: number;
  readonly countedPackets: number;
  /** The fullest queue over its fair share, of the queues that either has. */
  readonly predictedFullestOverFair: number;
  readonly countedFullestOverFair: number;
  readonly elsewhere: number;
}

/**
 * Holds a policy's queues against counters.
 *
 *     compareCounted(policies[0], queueCounters([readFileSync('eth0.txt', 'utf8')], 'eth0.txt'));
 */
export function compareCounted(
  { queues }: { readonly queues: readonly { readonly id: number; readonly packets: number }[] },
  counters: readonly QueueCounter[],
): Counted {
  const counted = new Map(counters.map((counter) => [counter.id, counter]));
  const predicted = new Map(queues.map((queue) => [queue.id, queue.packets]));
  const ids = [...new Set([...predicted.keys(), ...counted.keys()])].sort((a, b) => a - b);
  const sum = (of: (id: number) => number) => ids.reduce((total, id) => total + of(id), 0);
  const fullest = (of: (id: number) => number, all: number) =>
    all === 0 ? 0 : (Math.max(...ids.map(of)) * ids.length) / all;
  const own = (id: number) => predicted.get(id) ?? 0;
  const theirs = (id: number) => counted.get(id)?.packets ?? 0;
  const [all, allCounted] = [sum(own), sum(theirs)];
  const share = (packets: number, of: number) => (of === 0 ? 0 : packets / of);
  const rows = ids.map(
    (id): CountedQueue => ({
      id,
      predictedPackets: own(id),
      predictedShare: share(own(id), all),
      countedPackets: theirs(id),
      countedShare: share(theirs(id), allCounted),
      countedBytes: counted.get(id)?.bytes ?? null,
    }),
  );
  return {
    queues: rows,
    predictedPackets: all,
    countedPackets: allCounted,
    predictedFullestOverFair: fullest(own, all),
    countedFullestOverFair: fullest(theirs, allCounted),
    elsewhere:
      all === 0 || allCounted === 0
        ? 0
        : rows.reduce((total, row) => total + Math.abs(row.predictedShare - row.countedShare), 0) / 2,
  };
}
