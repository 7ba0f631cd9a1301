/**
 * Receive packet steering and receive flow steering for one receive queue (`get_rps_cpu`, `set_rps_cpu`).
 *
 * Promise: the CPU that the kernel would choose, given the hash, the tables and the backlogs' head counters; pure
 * but for the queue's own flow table. Nothing is allocated per packet. Threads: one `RpsQueue` belongs to the worker
 * that steers the queue; see `rps-tables.ts` for what may be shared.
 *
 * Order: the kernel protects moves from one RFS CPU to another only. A flow that goes from the map to RFS, or back
 * when its entry in the socket table is lost, is moved without a look at what is outstanding. `order: 'strict'`
 * closes these holes: every change of the flow's CPU waits until its slot's backlog has drained.
 */
import { UserError } from '../errors.js';
import type { Burst } from '../packet/burst.js';
import { RPS_NO_CPU } from './arith.js';
import { type DevFlowTable, FLOW_SLOT_WORDS, type RpsMap, type SockFlowTable } from './rps-tables.js';
import type { LinuxBehaviour } from './version.js';

/** No steering: the packet is processed where it is (or goes to the current CPU's backlog, on `netif_rx`). */
export const RPS_NONE = -1;

/** Which rule decided the last packet; for `explain`. */
export const RpsReason = {
  /** Neither map nor flow table: the hash is not even looked at. */
  off: 0,
  /** The hash is 0. */
  noHash: 1,
  /** The socket table knows the flow and its slot names a usable CPU. */
  flow: 2,
  /** The flow was moved to another CPU by this packet. */
  moved: 3,
  /** The flow should move, but its old CPU has not drained. */
  held: 4,
  /** Chosen by the map. */
  map: 5,
  /** The map's CPU is offline, or there is no map and no known flow. */
  none: 6,
} as const;

/** The tables and settings of a receive queue. */
export interface RpsQueueOptions {
  /** `rps_cpus`; absent when empty. */
  readonly map?: RpsMap;
  /** `rps_flow_cnt`; absent when 0. */
  readonly flows?: DevFlowTable;
  /** `rps_sock_flow_entries`; absent when 0. */
  readonly sock?: SockFlowTable;
  /** One word per CPU id: 1 = online. May be shared; read at every decision. */
  readonly online: Int32Array;
  /** See above. 'strict' needs a map and a flow table. Default 'linux'. */
  readonly order?: 'linux' | 'strict';
  /** Pre-4.0 shortcut, see `LinuxBehaviour`. Default false. */
  readonly singleCpuShortcut?: LinuxBehaviour['singleCpuShortcut'];
}

/** All CPUs online: an `online` array for `count` CPUs. */
export function onlineCpus(count: number): Int32Array {
  return new Int32Array(count).fill(1);
}

/** RPS and RFS of one receive queue. */
export class RpsQueue {
  /** May be replaced between packets (`rps_cpus` is written); its CPUs are within `online`. */
  map: RpsMap | undefined;
  readonly flows: DevFlowTable | undefined;
  readonly sock: SockFlowTable | undefined;
  readonly online: Int32Array;
  readonly nrCpuIds: number;

  /** `RpsReason` of the last decision. */
  reason = 0;
  /** Index into the map's CPUs of the last decision, or -1. */
  index = -1;
  /** First word of the flow slot that the last decision used, or -1. Its table is `slotTable`. */
  slot = -1;
  /** The table that holds `slot`: this queue's, or with acceleration another queue's. */
  slotTable: DevFlowTable | undefined;

  private readonly strict: boolean;
  private readonly shortcut: boolean;

  /** Throws `UserError` for a map with CPUs beyond `online`, and for strict order without a flow table. */
  constructor(options: RpsQueueOptions) {
    this.map = options.map;
    this.flows = options.flows;
    this.slotTable = options.flows;
    this.sock = options.sock;
    this.online = options.online;
    this.nrCpuIds = options.online.length;
    this.strict = options.order === 'strict';
    this.shortcut = options.singleCpuShortcut === true;
    if (this.strict && (this.flows === undefined || this.map === undefined))
      throw new UserError('rps: order=strict needs a map and a flow table (cpus=LIST, flows=N)');
    for (const cpu of options.map?.cpus ?? [])
      if (cpu >= this.nrCpuIds) throw new UserError(`rps map: CPU ${cpu} is not in 0-${this.nrCpuIds - 1}`);
  }

  /**
   * The CPU for a packet with this hash, or `RPS_NONE`. After a result >= 0 with `slot` >= 0 the caller reports the
   * accepted enqueue with `enqueued`; a dropped packet is not reported.
   *
   * @param heads one word per CPU: what this CPU has finished of its backlog (`input_queue_head`).
   */
  steer(hash: number, heads: Int32Array): number {
    this.slot = -1;
    this.index = -1;
    const map = this.map;
    const flows = this.flows;
    if (flows === undefined) {
      if (map === undefined) return this.none(RpsReason.off);
      if (this.shortcut && map.length === 1) return this.fromMap(map, 0);
    }
    if (hash === 0) return this.none(RpsReason.noHash);
    if (flows !== undefined) {
      const wanted = this.sock === undefined ? -1 : this.sock.wanted(hash);
      const cpu = this.strict ? this.strictly(hash, wanted, heads) : this.known(hash, wanted, heads);
      if (cpu >= 0 || this.strict) return cpu;
    }
    if (map !== undefined) return this.fromMap(map, map.index(hash));
    return this.none(RpsReason.none);
  }

  /** The packet of the last decision was accepted; `tail` counts it (`input_queue_tail` of its CPU). */
  enqueued(tail: number): void {
    if (this.slot >= 0) this.slotTable!.slots[this.slot + 1] = tail;
  }

  /**
   * Steers all frames of a burst by `burst.hash`; writes `burst.worker` (CPU, or `here` where the kernel would not
   * steer) and `burst.bucket` (index into the map, or -1).
   *
   * `tails` is this caller's copy of the tail counters; it is advanced per frame, and slots get the advanced value:
   * the frames of a burst are decided before any of them is enqueued, and a flow that moves within the burst has
   * to see its own frames as outstanding. A frame that is dropped afterwards leaves its slot ahead of the true
   * tail, which can hold the flow where it is until its next packet, never move it early.
   */
  steerBurst(burst: Burst, heads: Int32Array, tails: Int32Array, here: number): void {
    const { n, hash, worker, bucket } = burst;
    for (let i = 0; i < n; i++) {
      let cpu = this.steer(hash[i]!, heads);
      bucket[i] = this.index;
      if (cpu < 0) cpu = here;
      worker[i] = cpu;
      const tail = (tails[cpu]! + 1) | 0;
      tails[cpu] = tail;
      if (this.slot >= 0) this.slotTable!.slots[this.slot + 1] = tail;
    }
  }

  private none(reason: number): number {
    this.reason = reason;
    return RPS_NONE;
  }

  private fromMap(map: RpsMap, index: number): number {
    const cpu = map.cpus[index]!;
    this.index = index;
    if (this.online[cpu] !== 1) return this.none(RpsReason.none);
    this.reason = RpsReason.map;
    return cpu;
  }

  /** An unset, impossible or offline CPU has nothing outstanding; any other must have reached the slot's tail. */
  private mayLeave(cpu: number, lastQueueTail: number, heads: Int32Array): boolean {
    return cpu >= this.nrCpuIds || this.online[cpu] !== 1 || ((heads[cpu]! - lastQueueTail) | 0) >= 0;
  }

  /** The RFS part: -1 when the flow is unknown or its CPU unusable. */
  private known(hash: number, wanted: number, heads: Int32Array): number {
    if (wanted < 0) return -1;
    const flows = this.flows!;
    const slots = flows.slots;
    const slot = flows.slotOf(hash) * FLOW_SLOT_WORDS;
    this.slotTable = flows;
    this.reason = RpsReason.flow;
    let cpu = slots[slot]!;
    let used = slot;
    if (cpu !== wanted) {
      if (this.mayLeave(cpu, slots[slot + 1]!, heads)) {
        used = this.move(slot, wanted, hash, heads);
        cpu = wanted;
        this.reason = RpsReason.moved;
      } else this.reason = RpsReason.held;
    }
    if (cpu >= this.nrCpuIds || this.online[cpu] !== 1) return -1;
    this.slot = used;
    return cpu;
  }

  /** As `known`, with the map's CPU standing in for what the socket table does not know. */
  private strictly(hash: number, wanted: number, heads: Int32Array): number {
    const map = this.map!;
    let target = wanted;
    if (target < 0 || target >= this.nrCpuIds || this.online[target] !== 1) {
      this.index = map.index(hash);
      target = map.cpus[this.index]!;
    }
    const cpu = this.known(hash, target, heads);
    if (cpu < 0) return this.none(RpsReason.none);
    if (cpu !== target) this.index = -1;
    else if (this.index >= 0 && this.reason === RpsReason.flow) this.reason = RpsReason.map;
    return cpu;
  }

  /**
   * Points the slot at another CPU; nothing is outstanding there for this flow yet, so a second move before the
   * next enqueue is allowed. Returns the slot that the packet uses (acceleration may choose another queue's).
   */
  protected move(slot: number, wanted: number, _hash: number, heads: Int32Array): number {
    const slots = this.slotTable!.slots;
    if (wanted < this.nrCpuIds) slots[slot + 1] = heads[wanted]!;
    slots[slot] = wanted & RPS_NO_CPU;
    return slot;
  }
}
