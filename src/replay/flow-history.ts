/**
 * Flows that may change their worker: what is under way of them decides whether a packet overtakes.
 *
 * Promise: moves, moves under way and reordering exactly as defined in docs/replay.md. One thread.
 */
import type { Machine } from './machine.js';
import { OrderWatch } from './order-watch.js';
import { Place, Places } from './places.js';

const WORKER_SHIFT = Place.workerShift;
const WORKER_MASK = Place.workerMask;
const WATCHED = Place.watched;

export class FlowHistory {
  readonly places: Places;
  readonly watch: OrderWatch;
  /** Moves while an earlier packet of the flow was under way. */
  movesInFlight = 0;
  /** Moves that `order=strict` has put off. */
  movesHeld = 0;

  constructor(
    readonly machine: Machine,
    queues: number,
  ) {
    this.places = new Places(machine.workers, queues);
    this.watch = new OrderWatch(machine);
  }

  /**
   * Packet `number` of a flow that is new, has moved, or is watched, now in ring slot `slot` (-1 = dropped). The flow's
   * second word still tells of the packet before.
   */
  changed(flow: number, worker: number, queue: number, number: number, slot: number, now: number): void {
    const { machine } = this;
    const { words } = this.places;
    const old = words[2 * flow]!;
    const last = words[2 * flow + 1]! - 1;
    const hasMoved = old !== 0 && (old & WORKER_MASK) >> WORKER_SHIFT !== worker;
    this.places.change(flow, worker, queue);
    const isUnderWay = last >= 0 && machine.flow[last] === flow && machine.finish[last]! > now;
    if (hasMoved && isUnderWay) this.movesInFlight++;
    if (slot < 0) return;
    const finish = machine.finish[slot]!;
    if ((old & WATCHED) !== 0) {
      if (this.watch.add(flow, number, finish, now)) return;
      words[2 * flow]! &= ~WATCHED;
    }
    if (!hasMoved || !isUnderWay || machine.finish[last]! <= finish) return;
    this.watch.begin(flow, last, number, finish, now);
    words[2 * flow]! |= WATCHED;
  }

  /** `order=strict`: the flow's worker while its last packet is not finished there, else the one that was chosen. */
  held(flow: number, worker: number, now: number): number {
    const { machine } = this;
    const { words } = this.places;
    const old = words[2 * flow]!;
    const before = (old & WORKER_MASK) >> WORKER_SHIFT;
    if (old === 0 || before === worker) return worker;
    const last = words[2 * flow + 1]! - 1;
    if (last < 0 || machine.flow[last] !== flow || machine.finish[last]! <= now) return worker;
    this.movesHeld++;
    return before;
  }
}
