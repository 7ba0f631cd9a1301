/**
 * Automatic multi-queue of tun and tap devices: which descriptor gets a packet that the kernel sends, and what the
 * device learns from what is written to its descriptors (`tun_select_queue`, `tun_flow_update`, `tun_flow_cleanup`,
 * `tun_detach`).
 *
 * Promise: the driver's choice given the packets' symmetric hashes and the time; no clock of its own. The error of the
 * driver's clean-up when a queue is closed is part of the model.
 */
import { UserError } from '../errors.js';
import { rscale } from './arith.js';
import type { SockFlowTable } from './rps-tables.js';

/** Learned flows at most; time without a write after which one is forgotten; queues at most. */
export const TUN_FLOWS_MAX = 4096;
export const TUN_FLOW_EXPIRE_MS = 3000;
export const TUN_QUEUES_MAX = 256;

interface TunFlow {
  queue: number;
  /** Hash of the flow's packets in the other direction, for RFS; 0 until one was sent. */
  rpsHash: number;
  updatedMs: number;
}

/** Why a queue was chosen; `capped`: the learned queue is gone. */
export type TunReason = 'program' | 'learned' | 'hash' | 'capped';

/** The queues of a multi-queue tun or tap device. `T` is whatever stands for a descriptor. */
export class TunQueues<T> {
  /** Attached descriptors in queue order. */
  readonly queues: T[] = [];
  private readonly flows = new Map<number, TunFlow>();
  private timerMs = Number.POSITIVE_INFINITY;
  private program: ((packet: unknown) => number) | null = null;

  /** Attaches a descriptor as the last queue; returns its number. Throws `UserError` beyond 256. */
  attach(descriptor: T): number {
    if (this.queues.length >= TUN_QUEUES_MAX)
      throw new UserError(`tun: ${TUN_QUEUES_MAX} queues are attached; no more are permitted`);
    return this.queues.push(descriptor) - 1;
  }

  /**
   * Detaches (or closes) a descriptor: the last queue takes its number. Learned flows of the last number stay, since
   * the driver cleans up one number too high; they are sent to queue 0 until they age out.
   */
  detach(descriptor: T): boolean {
    const at = this.queues.indexOf(descriptor);
    if (at < 0) return false;
    this.queues[at] = this.queues.at(-1)!;
    this.queues.pop();
    const cleaned = this.queues.length + 1;
    for (const [hash, flow] of this.flows) if (flow.queue === cleaned) this.flows.delete(hash);
    return true;
  }

  /** TUNSETSTEERINGEBPF: the program's result modulo the queues decides, and nothing is learned. Null removes it. */
  setProgram(program: ((packet: unknown) => number) | null): void {
    this.program = program;
  }

  /** Flows learned at present. */
  get learned(): number {
    return this.flows.size;
  }

  /** Kernel to user: the queue of a packet with this symmetric hash. `packet` is for the steering program. */
  select(hash: number, nowMs: number, packet?: unknown): { queue: number; reason: TunReason } {
    this.age(nowMs);
    const n = this.queues.length;
    if (this.program !== null) {
      return { queue: n === 0 ? 0 : (this.program(packet) & 0xffff) % n, reason: 'program' };
    }
    const flow = this.flows.get(hash >>> 0);
    if (flow === undefined) return { queue: rscale(hash, n), reason: 'hash' };
    flow.rpsHash = hash;
    return flow.queue >= n ? { queue: 0, reason: 'capped' } : { queue: flow.queue, reason: 'learned' };
  }

  /**
   * User to kernel: a packet with this symmetric hash was written to a queue, and has been passed up.
   *
   * @param rfs the machine's socket flow table and the CPU of the writer, which counts as the application's.
   */
  written(
    hash: number,
    queue: number,
    nowMs: number,
    rfs?: { readonly table: SockFlowTable; readonly cpu: number },
  ): void {
    this.age(nowMs);
    if (this.program !== null || this.queues.length <= 1) return;
    const flow = this.flows.get(hash >>> 0);
    if (flow !== undefined) {
      flow.queue = queue;
      flow.updatedMs = nowMs;
      rfs?.table.record(flow.rpsHash, rfs.cpu);
      return;
    }
    if (this.flows.size < TUN_FLOWS_MAX) this.flows.set(hash >>> 0, { queue, rpsHash: 0, updatedMs: nowMs });
    if (this.timerMs === Number.POSITIVE_INFINITY) this.timerMs = wholeSecond(nowMs + TUN_FLOW_EXPIRE_MS);
  }

  /** Runs the clean-up timer up to a time. */
  age(nowMs: number): void {
    while (this.timerMs <= nowMs) {
      const at = this.timerMs;
      let next = Number.POSITIVE_INFINITY;
      for (const [hash, flow] of this.flows) {
        const expires = flow.updatedMs + TUN_FLOW_EXPIRE_MS;
        if (expires <= at) this.flows.delete(hash);
        else next = Math.min(next, expires);
      }
      this.timerMs = next === Number.POSITIVE_INFINITY ? next : wholeSecond(next);
    }
  }
}

function wholeSecond(ms: number): number {
  return Math.ceil(ms / 1000) * 1000;
}
