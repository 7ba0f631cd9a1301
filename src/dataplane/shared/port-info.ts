/**
 * What all threads know of an open port.
 *
 * Promise: plain data, made by the main thread when the port opens, posted to the workers by structured clone. What
 * only the port's kind understands lies in `data`; nothing here depends on the kind.
 */
import type { SourceRules } from '../../mac/source-rules.js';

/** How the kernel chooses receive queues. */
export interface Programmed {
  /**
   * Among so many queues: all of the port's, or those that it has for each queue of its device. Queue q is that of worker
   * q mod this many.
   */
  readonly among: number;
  readonly where: 'in the kernel' | 'in XDP';
}

/** Who polls keeps what comes: the choice has been made by the running policy. */
export function keepsQueue({ programmed, handsOver }: PortInfo): boolean {
  return programmed !== undefined && handsOver !== true;
}

/** Description of an open port, made by the main thread and posted to the workers (structured clone). */
export interface PortInfo<Data = unknown> {
  readonly index: number;
  /** Tells ports apart that have had the same index. */
  readonly generation: number;
  /** The port was closed; its place may be taken by another. It has no queues and no data. */
  readonly removed: boolean;
  /** Numbers of its first receive queue and of its first transmit queue among those of all ports. */
  readonly firstQueue: number;
  readonly firstLock: number;
  readonly name: string;
  /** Name of its kind: a key of `EnginePlan.attachers`. */
  readonly kind: string;
  /** Receive queues. 0 for sinks and writers. */
  readonly rxQueues: number;
  /** The addresses that the guest or host behind the port may use; absent = any. */
  readonly sources?: SourceRules;
  /** Queue q is polled by worker (firstPoller + q) mod workers, see `deal.ts`; -1 = not dealt yet. */
  readonly firstPoller: number;
  /** The kernel chooses the receive queue by the running policy: who polls a queue keeps its frames. Absent: it does not. */
  readonly programmed?: Programmed;
  /** It does so by another policy than the running one, which has no program: workers hand over. Absent: false. */
  readonly handsOver?: boolean;
  /** While that choice changes (`PortPrograms`): `gather`: nobody polls queue 0; `scatter`: only queue 0 is polled. */
  readonly gate?: 'gather' | 'scatter';
  /** Transmit queues; worker w uses queue w mod txQueues, shared through a lock when workers > txQueues. 0 = can't send. */
  readonly txQueues: number;
  /**
   * Senders choose their transmit queue themselves, and may choose another whenever they attach anew (`Sender.txQueue`): a
   * worker takes the queue's lock whoever else uses it. Absent: false.
   */
  readonly choosesQueue?: boolean;
  /** Copies a second that floods of frames from this port may cost, see `FloodBudget`; 0 or absent = no limit. */
  readonly flood?: number;
  /** Small slots of the pool that its device keeps, see `LentSlots`; absent = none. */
  readonly lends?: number;
  /** Its receive queues have an end. */
  readonly finite: boolean;
  /** What its kind's code in workers makes receivers and senders from: plain data and shared memory. */
  readonly data: Data;
}
