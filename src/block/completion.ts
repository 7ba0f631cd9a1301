/**
 * Where a request is completed: the block layer's answer to RFS (`rq_affinity`).
 *
 * Promise: `blk_mq_complete_request_remote` and `blk_mq_complete_need_ipi` (block/blk-mq.c). Pure.
 */
import { type BlockBehaviour, MODERN_BLOCK } from './behaviour.js';
import { type BlockMachine, isOnline, shareCache } from './machine.js';

/** `/sys/block/DEVICE/queue/rq_affinity`: where it comes, near the submitter, on the submitter's CPU. */
export type RqAffinity = 0 | 1 | 2;

/** A request that the device has finished. */
export interface Completed {
  /** CPU that has submitted it. */
  readonly submitter: number;
  /** CPU that has found it: of the interrupt, or the one that polls. */
  readonly found: number;
  readonly polled?: boolean;
  /** CPUs of its hardware queue. */
  readonly queueCpus: number;
  /** Hardware queues of the device. */
  readonly queues: number;
}

/** How it goes on. */
export interface Completion {
  readonly cpu: number;
  /** `local`: in the interrupt or by who polls; `ipi`: through another CPU's softirq; `softirq`: through its own. */
  readonly by: 'local' | 'ipi' | 'softirq';
}

/**
 * CPU that completes a request, and how. With `threadedIrqs` interrupts are threads (`threadirqs`, PREEMPT_RT): no other
 * CPU is asked.
 */
export function completionOf(
  { submitter, found, polled, queueCpus, queues }: Completed,
  affinity: RqAffinity,
  machine: BlockMachine,
  { threadedIrqs = false, rules = MODERN_BLOCK }: { threadedIrqs?: boolean; rules?: BlockBehaviour } = {},
): Completion {
  if (polled === true) return { cpu: found, by: 'local' };
  const isLonely = queueCpus === 1;
  if (isLonely && rules.lonelyQueue === 'stays') return { cpu: found, by: 'local' };
  if (isLonely && rules.lonelyQueue === 'stays-if-same' && submitter === found) {
    return { cpu: found, by: 'local' };
  }
  if (!threadedIrqs && needsIpi(submitter, found, affinity, machine, rules)) {
    return { cpu: submitter, by: 'ipi' };
  }
  return { cpu: found, by: queues === 1 ? 'softirq' : 'local' };
}

function needsIpi(
  submitter: number,
  found: number,
  affinity: RqAffinity,
  machine: BlockMachine,
  { capacity }: BlockBehaviour,
): boolean {
  if (affinity === 0 || submitter === found) return false;
  const of = (cpu: number) => machine.cpus[cpu]!.capacity ?? 1024;
  const isAsGood = !capacity || of(submitter) === of(found);
  if (affinity === 1 && shareCache(machine, submitter, found) && isAsGood) return false;
  return isOnline(machine.cpus[submitter]!);
}
