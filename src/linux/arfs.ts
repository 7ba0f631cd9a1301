/**
 * Accelerated RFS: when a flow moves, the NIC is asked to send it to the receive queue whose interrupt is nearest to
 * the new CPU (`set_rps_cpu` with CONFIG_RFS_ACCEL, `rps_may_expire_flow`).
 *
 * Promise: as `RpsQueue`, with filters of a driver. The slot that takes over is the *other* queue's; the arriving
 * queue's slot stays as it was, and packets that still arrive there go through the same procedure again.
 */
import { RPS_NO_CPU, sdiff } from './arith.js';
import type { CpuReverseMap } from './cpu-rmap.js';
import { RpsQueue, type RpsQueueOptions } from './rps.js';
import { type DevFlowTable, FLOW_SLOT_WORDS, FlowSlot } from './rps-tables.js';
import { type LinuxBehaviour, MODERN } from './version.js';

/** What a driver offers (`ndo_rx_flow_steer`). */
export interface FlowSteerDriver {
  /**
   * Programs a filter that sends the current packet's flow to `queue`. Returns the filter id (stored in 16 bits,
   * 0xffff reserved), or a negative number where the hardware cannot.
   */
  steer(queue: number, flowId: number): number;
}

/** A device with acceleration: shared by its queues. */
export interface AcceleratedDevice {
  readonly queues: readonly RpsQueue[];
  readonly rmap: CpuReverseMap | null;
  readonly driver: FlowSteerDriver;
  /** `ethtool -K DEV ntuple on`. */
  ntuple: boolean;
}

/** Packets of its CPU after which a filter without traffic counts as stale. */
export function staleAfter(flows: DevFlowTable, window: LinuxBehaviour['arfsWindow'] = 'size'): number {
  return 10 * (window === 'size' ? flows.size : flows.size - 1);
}

/** The flow of a slot has been seen within the stale window of its CPU (`rps_flow_is_active`). */
export function flowIsActive(
  flows: DevFlowTable,
  slot: number,
  heads: Int32Array,
  window: LinuxBehaviour['arfsWindow'] = 'size',
): boolean {
  const cpu = flows.slots[slot + FlowSlot.cpu]!;
  if (cpu >= heads.length) return false;
  return sdiff(heads[cpu]!, flows.slots[slot + FlowSlot.lastQueueTail]!) < staleAfter(flows, window);
}

/** True when the driver may remove the filter `filterId` that stands for slot `flowId` of a queue's table. */
export function mayExpire(
  flows: DevFlowTable | undefined,
  flowId: number,
  filterId: number,
  heads: Int32Array,
  window: LinuxBehaviour['arfsWindow'] = 'size',
): boolean {
  if (flows === undefined || flowId >= flows.size) return true;
  const slot = flowId * FLOW_SLOT_WORDS;
  if (flows.slots[slot + FlowSlot.filter] !== filterId) return true;
  return !flowIsActive(flows, slot, heads, window);
}

/** A receive queue of a device with accelerated RFS: as `RpsQueue`, and programs filters when a flow moves. */
export class AcceleratedRpsQueue extends RpsQueue {
  private readonly behaviour: LinuxBehaviour;

  /** @param queue number of this queue in its device; -1 when packets carry no recorded queue. */
  constructor(
    private readonly device: AcceleratedDevice,
    private readonly queue: number,
    options: RpsQueueOptions,
    behaviour: Partial<LinuxBehaviour> = {},
  ) {
    super(options);
    this.behaviour = { ...MODERN, ...behaviour };
  }

  protected override move(slot: number, wanted: number, hash: number, heads: Int32Array): number {
    const own = this.flows!;
    let table = own;
    let used = slot;
    if (wanted < this.nrCpuIds) {
      const { device } = this;
      if (this.queue >= 0 && device.rmap !== null && device.ntuple) {
        const other = device.rmap.index(wanted);
        const flows = device.queues[other]?.flows;
        if (other !== this.queue && flows !== undefined) {
          const target = this.program(own, slot, other, flows, wanted, hash, heads);
          if (target >= 0) {
            table = flows;
            used = target;
          }
        }
      }
      table.slots[used + FlowSlot.lastQueueTail] = heads[wanted]!;
    }
    table.slots[used + FlowSlot.cpu] = wanted & RPS_NO_CPU;
    this.slotTable = table;
    return used;
  }

  /** Returns the other queue's slot when the driver took the flow, else -1. */
  private program(
    own: DevFlowTable,
    slot: number,
    queue: number,
    flows: DevFlowTable,
    wanted: number,
    hash: number,
    heads: Int32Array,
  ): number {
    // The number of the slot comes from the target table's own size.
    const id = flows.slotOf(hash);
    const target = id * FLOW_SLOT_WORDS;
    const slots = flows.slots;
    if (
      this.behaviour.arfsSlotProtection &&
      slots[target + FlowSlot.filter] !== RPS_NO_CPU &&
      flowIsActive(flows, target, heads, this.behaviour.arfsWindow) &&
      (slots[target + FlowSlot.hash] !== (hash | 0) || slots[target + FlowSlot.cpu] === wanted)
    )
      return -1;
    const filter = this.device.driver.steer(queue, id);
    if (filter < 0) return -1;
    slots[target + FlowSlot.filter] = filter & 0xffff;
    if (this.behaviour.arfsSlotProtection) slots[target + FlowSlot.hash] = hash;
    // The driver may have used the same filter again: then it is no longer this slot's.
    if (own.slots[slot + FlowSlot.filter] === filter) own.slots[slot + FlowSlot.filter] = RPS_NO_CPU;
    return target;
  }
}
