/**
 * The per-CPU receive queues of the kernel as a deterministic model: enqueue with its drops, wake-ups by IPI,
 * backlog polling, and the budget of the receive softirq (`enqueue_to_backlog`, `napi_schedule_rps`,
 * `process_backlog`, `net_rx_action`).
 *
 * Promise: driven by events only. Nothing happens but in the calls: an IPI is under way until `receiveIpi`, a raised
 * softirq waits for `netRxAction`. No clock, no randomness, no threads; the same calls give the same counters.
 * Packets are opaque to the model.
 */
import { UserError } from '../errors.js';
import { FlowLimit } from './flow-limit.js';
import type { RpsQueue } from './rps.js';
import type { SoftnetRow } from './softnet-stat.js';
import { type LinuxBehaviour, MODERN } from './version.js';

/** What became of an enqueue. */
export type EnqueueResult = 'accepted' | 'deviceDown' | 'backlog' | 'flowLimit';

/** Something that the softirq polls: a driver's receive queue, or a CPU's backlog. */
export interface Napi {
  /** Packets per poll at most (`dev_weight` for drivers: 64). */
  weight: number;
  /** Handles at most `quota` packets; fewer means that it is done and has unscheduled itself. */
  poll(quota: number): number;
}

/** What machine is modelled. */
export interface SoftnetOptions {
  readonly cpus: number;
  readonly behaviour?: Partial<LinuxBehaviour>;
  /** Backlogs are polled by threads (boot option `thread_backlog_napi`): no IPIs. Default false. */
  readonly backlogThreads?: boolean;
}

/** One CPU's `softnet_data`. Read what you like, write nothing. */
export interface CpuState<P> {
  readonly cpu: number;
  /** Packets accepted, modulo 2^32 (signed). */
  tail: number;
  /** Packets finished, as far as others see it, modulo 2^32 (signed). */
  head: number;
  readonly input: P[];
  readonly process: P[];
  /** The backlog is on some poll list, or about to be. */
  scheduled: boolean;
  online: boolean;
  /** The receive softirq is raised. */
  softirq: boolean;
  inNetRxAction: boolean;
  readonly pollList: Napi[];
  /** CPUs that get an IPI at the next flush: last in, first out. */
  readonly ipiList: number[];
  /** IPIs sent to this CPU and not received yet. */
  ipisPending: number;
  ipisSent: number;
  processed: number;
  dropped: number;
  timeSqueeze: number;
  receivedRps: number;
  flowLimit: FlowLimit | undefined;
  readonly backlog: Napi;
}

/** The `softnet_data` of all CPUs of a machine. `P` is whatever stands for a packet. */
export class Softnet<P> {
  /** `net.core.netdev_max_backlog`. The input queue takes one more. */
  maxBacklog = 1000;
  /** `dev_weight * dev_weight_rx_bias`: quota of a backlog, from its next poll but one. */
  rxWeight = 64;
  /** `net.core.netdev_budget`. */
  budget = 300;
  /** `net.core.netdev_budget_usecs`. */
  budgetUs = 8000;
  /** Called for every packet that a CPU takes from its backlog into the protocol layers. */
  deliver: (packet: P, cpu: number) => void = () => {};

  readonly cpus: readonly CpuState<P>[];
  /** The head counters of all CPUs, for `RpsQueue.steer`; kept equal to `cpus[i].head`. */
  readonly heads: Int32Array;
  /** Tail that the last accepted packet got. */
  lastTail = 0;

  private readonly behaviour: LinuxBehaviour;
  private readonly threads: boolean;

  /** Throws `UserError` unless there is at least one CPU. */
  constructor(options: SoftnetOptions) {
    if (!Number.isInteger(options.cpus) || options.cpus < 1)
      throw new UserError(`softnet: ${options.cpus} CPUs; at least 1 is needed`);
    this.behaviour = { ...MODERN, ...options.behaviour };
    this.threads = options.backlogThreads === true;
    this.heads = new Int32Array(options.cpus);
    this.cpus = Array.from({ length: options.cpus }, (_, cpu) => ({
      cpu,
      tail: 0,
      head: 0,
      input: [],
      process: [],
      scheduled: false,
      online: true,
      softirq: false,
      inNetRxAction: false,
      pollList: [],
      ipiList: [],
      ipisPending: 0,
      ipisSent: 0,
      processed: 0,
      dropped: 0,
      timeSqueeze: 0,
      receivedRps: 0,
      flowLimit: undefined,
      backlog: { weight: 64, poll: (quota: number) => this.processBacklog(cpu, quota) },
    }));
  }

  /** Gives a CPU a new flow limit table, or takes it away (`flow_limit_cpu_bitmap`, `flow_limit_table_len`). */
  setFlowLimit(cpu: number, buckets: number | null): void {
    this.cpus[cpu]!.flowLimit =
      buckets === null
        ? undefined
        : new FlowLimit({
            buckets,
            bucket: this.behaviour.flowLimitBucket,
            history: this.behaviour.flowLimitHistory,
          });
  }

  /**
   * Puts a packet on CPU `target`'s backlog, run by CPU `producer`.
   *
   * @param options.hash the packet's hash, for the flow limit.
   * @param options.rps the queue whose `steer` chose the target: its slot is told the tail.
   * @param options.running the device is up. Default true.
   * @param options.seenLength the length that the producer saw before it had the lock; only kernels that decide
   *   before the lock use it. Default: the true length.
   */
  enqueue(
    producer: number,
    target: number,
    packet: P,
    options: {
      readonly hash?: number;
      readonly rps?: RpsQueue;
      readonly running?: boolean;
      readonly seenLength?: number;
    } = {},
  ): EnqueueResult {
    const to = this.cpus[target]!;
    const from = this.cpus[producer]!;
    if (options.running === false) return 'deviceDown';
    const exact = to.input.length;
    const lockless = this.behaviour.flowLimitWhere === 'lockless';
    const seen = lockless ? (options.seenLength ?? exact) : exact;
    if (seen > this.maxBacklog) return this.drop(to, 'backlog');
    if (from.flowLimit?.refuses(options.hash ?? 0, seen, this.maxBacklog) === true)
      return this.drop(to, 'flowLimit');
    if (exact > this.maxBacklog) return this.drop(to, 'backlog');
    if (exact === 0 && !to.scheduled) {
      to.scheduled = true;
      this.schedule(from, to);
    }
    to.input.push(packet);
    to.tail = (to.tail + 1) | 0;
    this.lastTail = this.behaviour.tailCounter === 'counter' ? to.tail : (to.head + to.input.length) | 0;
    options.rps?.enqueued(this.lastTail);
    return 'accepted';
  }

  private drop(to: CpuState<P>, reason: EnqueueResult): EnqueueResult {
    to.dropped++;
    return reason;
  }

  private schedule(from: CpuState<P>, to: CpuState<P>): void {
    if (from === to) this.napiSchedule(from.cpu, to.backlog);
    else if (this.threads) this.napiSchedule(to.cpu, to.backlog);
    else {
      from.ipiList.push(to.cpu);
      if (!from.inNetRxAction) from.softirq = true;
    }
  }

  /** Puts a NAPI (of a driver, on its interrupt) on a CPU's poll list. */
  napiSchedule(cpu: number, napi: Napi): void {
    const c = this.cpus[cpu]!;
    c.pollList.push(napi);
    if (!c.inNetRxAction) c.softirq = true;
  }

  /** Sends the IPIs that a CPU has collected, latest first, to those targets that are online. */
  flushIpis(cpu: number): void {
    const c = this.cpus[cpu]!;
    for (let target = c.ipiList.pop(); target !== undefined; target = c.ipiList.pop()) {
      const to = this.cpus[target]!;
      if (!to.online) continue;
      c.ipisSent++;
      to.ipisPending++;
    }
  }

  /** An IPI arrives (`rps_trigger_softirq`). False when none is under way. */
  receiveIpi(cpu: number): boolean {
    const c = this.cpus[cpu]!;
    if (c.ipisPending === 0) return false;
    c.ipisPending--;
    c.receivedRps++;
    this.napiSchedule(cpu, c.backlog);
    return true;
  }

  /** One poll of a CPU's backlog: at most `quota` packets. */
  processBacklog(cpu: number, quota: number): number {
    const c = this.cpus[cpu]!;
    if (c.ipiList.length > 0) this.flushIpis(cpu);
    c.backlog.weight = this.rxWeight;
    const perPacket = this.behaviour.headCounter === 'packet';
    let work = 0;
    for (;;) {
      while (c.process.length > 0) {
        const packet = c.process.shift()!;
        c.processed++;
        this.deliver(packet, cpu);
        if (perPacket) this.advance(c, 1);
        if (++work >= quota) {
          if (!perPacket) this.advance(c, work);
          return work;
        }
      }
      if (c.input.length === 0) {
        c.scheduled = false;
        break;
      }
      c.process.push(...c.input.splice(0));
    }
    if (!perPacket) this.advance(c, work);
    return work;
  }

  private advance(c: CpuState<P>, packets: number): void {
    c.head = (c.head + packets) | 0;
    this.heads[c.cpu] = c.head;
  }

  /**
   * One run of the receive softirq on a CPU. What is left raises it again.
   *
   * @param elapsedUs time since the run began, asked after every poll; without it time never ends a run.
   */
  netRxAction(cpu: number, elapsedUs?: () => number): void {
    const c = this.cpus[cpu]!;
    c.softirq = false;
    let budget = this.budget;
    let list: Napi[] = [];
    const repoll: Napi[] = [];
    c.inNetRxAction = true;
    list = c.pollList.splice(0);
    for (;;) {
      const napi = list.shift();
      if (napi === undefined) {
        if (repoll.length === 0 && c.pollList.length > 0) {
          // Scheduled from inside: goes on with the same budget.
          list = c.pollList.splice(0);
          continue;
        }
        break;
      }
      const weight = napi.weight;
      const work = napi.poll(weight);
      if (work >= weight) repoll.push(napi);
      budget -= work;
      if (budget <= 0 || (elapsedUs !== undefined && elapsedUs() >= this.budgetUs)) {
        c.timeSqueeze++;
        break;
      }
    }
    c.pollList.unshift(...list, ...c.pollList.splice(0), ...repoll);
    c.inNetRxAction = false;
    if (c.pollList.length > 0) c.softirq = true;
    this.flushIpis(cpu);
  }

  /** A device goes away: its packets leave both queues, each one counted as finished. Returns their number. */
  flushDevice(cpu: number, belongs: (packet: P) => boolean): number {
    const c = this.cpus[cpu]!;
    let gone = 0;
    for (const queue of [c.input, c.process]) {
      const kept = queue.filter((packet) => !belongs(packet));
      gone += queue.length - kept.length;
      queue.splice(0, queue.length, ...kept);
    }
    this.advance(c, gone);
    return gone;
  }

  /**
   * A CPU goes offline: what it holds is given back, in the order in which it is received anew (`netif_rx`) on the
   * CPU that handles the event; nothing keeps it in order with what arrives meanwhile.
   */
  takeOffline(cpu: number): P[] {
    const c = this.cpus[cpu]!;
    const packets = [...c.process.splice(0), ...c.input.splice(0)];
    this.advance(c, packets.length);
    c.online = false;
    c.scheduled = false;
    c.softirq = false;
    c.ipisPending = 0;
    c.pollList.splice(0);
    return packets;
  }

  /** Rows as /proc/net/softnet_stat has them: online CPUs only. */
  rows(): SoftnetRow[] {
    return this.cpus
      .filter((c) => c.online)
      .map((c) => ({
        processed: c.processed,
        dropped: c.dropped,
        timeSqueeze: c.timeSqueeze,
        receivedRps: c.receivedRps,
        flowLimitCount: c.flowLimit?.count ?? 0,
        backlogLength: c.input.length + c.process.length,
        cpu: c.cpu,
        inputLength: c.input.length,
        processLength: c.process.length,
      }));
  }
}
