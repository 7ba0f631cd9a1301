/**
 * What is told of a disk.
 *
 * Promise: plain data of the window. Times in microseconds.
 */
import type { QueueType } from '../../block/queue-map.js';

/** One tenant. */
export interface TenantResult {
  readonly name: string;
  readonly requestsPerSecond: number;
  readonly latencyUs: { readonly mean: number; readonly p50: number; readonly p99: number };
  /** Queues that its requests took. */
  readonly queues: readonly number[];
}

/** One hardware queue. */
export interface DiskQueueResult {
  readonly index: number;
  readonly type: QueueType;
  /** CPUs that the kernel's maps give it, and the nodes that they are on. */
  readonly cpus: readonly number[];
  readonly nodes: readonly number[];
  /** CPU of its interrupt; null for a poll queue. */
  readonly irqCpu: number | null;
  readonly requests: number;
  readonly interrupts: number;
  /** Requests that had to wait for a tag, and the most that were under way. */
  readonly tagWaits: number;
  readonly mostUnderWay: number;
}

/** One disk. */
export interface DiskResult {
  readonly name: string;
  /** Who chose the queues. */
  readonly steer: string;
  readonly requestsPerSecond: number;
  /** From the submission to the completion. */
  readonly latencyUs: { readonly mean: number; readonly p50: number; readonly p99: number };
  /** Mean number of requests under way, and of those that the device works on. */
  readonly underWay: number;
  readonly inDevice: number;
  readonly completions: {
    /** On the CPU of the interrupt; by an interrupt to another; by its own softirq; by who polls. */
    readonly local: number;
    readonly ipi: number;
    readonly softirq: number;
    readonly polled: number;
    /** On another CPU than the submitter's, and on another node. */
    readonly otherCpu: number;
    readonly otherNode: number;
  };
  readonly queues: readonly DiskQueueResult[];
  readonly tenants: readonly TenantResult[];
}
