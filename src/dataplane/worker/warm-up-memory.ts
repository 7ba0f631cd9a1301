/**
 * The memory of a warm-up: what a worker's loop writes to, in the engine's layout, where nobody else looks.
 *
 * Promise: everything is private but what V8 makes constants of loops: the burst, the slots of the order ledger, the
 * owner words, the worker's ring area and its list of free slots. Of those a warm-up has parts of its own: a receive
 * queue behind all others (`practiceQueue`), slots behind the pool's (`firstPracticeSlot`), rings behind the worker's
 * (`practiceRings`), and the top of the list.
 */
import { createMacTable } from '../../forward/mac-layout.js';
import { policyBytes } from '../../policy/compile.js';
import { allocateShared, Carver, LINE_WORDS, PRACTICE_SLOTS } from '../memory/layout.js';
import { FramePool } from '../memory/pool.js';
import { practiceRings } from '../memory/ring.js';
import { FLOW_SLOTS, QUEUE_SLOTS, SLOT_WORDS, Slot } from '../order/flow-slot.js';
import { carveHistory } from '../order/history.js';
import { type Counters, carveCounters, handoffBase } from '../shared/counters.js';
import {
  type EngineMemory,
  type EngineViews,
  firstPracticeSlot,
  practiceQueue,
} from '../shared/engine-memory.js';
import { carveFloods } from '../shared/flood-budget.js';
import { carveCensus } from '../shared/flow-census.js';
import type { EnginePlan } from '../shared/plan.js';
import { WORKER_WORDS } from '../shared/words.js';

/** Addresses that the warm-up's MAC table holds. */
const ADDRESSES = 1024;

/** Records of the flow census, a power of two. */
export const CENSUS_RECORDS = 64;

type PracticeWords = Omit<EngineViews, 'pool' | 'rings' | 'ledger' | 'portEpochs'>;

/** The words of the engine as one worker needs them: what is there for each worker is there once. */
function carve(carver: Carver, plan: EnginePlan): PracticeWords {
  const { workers } = plan;
  const { ports, txQueues } = plan.room;
  const queues = practiceQueue(plan, workers);
  const each = <T>(row: T): T[] => new Array<T>(workers).fill(row);
  const one = carveCounters(carver, { workers: 1, ports, queues });
  const counters: Counters = {
    worker: each(one.worker[0]!),
    port: each(one.port[0]!),
    queue: one.queue,
    order: each(one.order[0]!),
    touch: each(one.touch[0]!),
    handoff: carver.doubles(handoffBase(workers, workers, 0)),
    died: carver.doubles(workers),
  };
  return {
    counters,
    orderHistory: carveHistory(carver, 1),
    flowHashes: carver.words(firstPracticeSlot(plan, workers)),
    consumers: carver.words(ports),
    global: carver.words(4 * LINE_WORDS),
    workers: each(carver.words(WORKER_WORDS)),
    locks: carver.words(Math.max(txQueues, ports) * LINE_WORDS),
    sequences: carver.words(queues * LINE_WORDS),
    pollers: carver.words(queues),
    queueErrors: carver.words(queues),
    floods: carveFloods(carver, ports),
    pauses: each(carver.doubles(LINE_WORDS / 2)),
    census: carveCensus(carver, 1, CENSUS_RECORDS),
  };
}

/** The memory of one warm-up. Use it between `open` and `close`; each `views` is for one loop, the next begins anew. */
export class PracticeMemory {
  readonly memory: EngineMemory;
  /** Free slots of the worker that are none of the warm-up's. */
  readonly kept: number;
  private readonly words: PracticeWords;
  private readonly list: Int32Array;

  constructor(
    private readonly plan: EnginePlan,
    engine: EngineMemory,
    private readonly real: EngineViews,
    private readonly worker: number,
  ) {
    this.words = carve(new Carver(allocateShared((carver) => carve(carver, plan))), plan);
    const switching =
      plan.mode === 'wire'
        ? new SharedArrayBuffer(8)
        : createMacTable({ capacity: ADDRESSES, ports: plan.room.ports, users: plan.workers + 1 });
    const policy = new SharedArrayBuffer(policyBytes(plan.policy));
    this.memory = { ...engine, policy, switching };
    this.list = real.pool.nativeView(worker).freeSmall;
    this.kept = this.list[0]!;
  }

  /** The slots of the warm-up are on top of the worker's free ones. */
  open(): void {
    const { list, kept, plan, worker } = this;
    const first = firstPracticeSlot(plan, worker);
    for (let k = 1; k <= PRACTICE_SLOTS; k++) list[kept + k] = first + k - 1;
    list[0] = kept + PRACTICE_SLOTS;
  }

  /** The worker's free slots are what they were. */
  close(): void {
    const { list, kept, real, worker } = this;
    if (list[0] === kept + PRACTICE_SLOTS) list[0] = kept;
    // Some are under way still, as when a frame is held: made anew from the owner words, which nobody has touched.
    else real.pool.rebuild(worker);
  }

  /** The engine as a loop is to see it; nothing is in flight there. */
  views(): EngineViews {
    const { plan, real, worker, words } = this;
    const { workers } = plan;
    words.global.fill(0);
    words.workers[worker]!.fill(0);
    words.sequences.fill(0);
    this.clearLedger();
    const rings = real.rings.slice();
    const own = practiceRings(real.rings.slice(worker * workers, (worker + 1) * workers));
    own.forEach((ring, w) => {
      rings[worker * workers + w] = ring;
      // What is handed over comes back by the same ring, whichever worker it was for.
      rings[w * workers + worker] = ring;
    });
    const { shared, size } = real.pool;
    const pool = new FramePool(this.memory.frames, shared, size, rings, firstPracticeSlot(plan, workers));
    return { ...real, ...words, rings, pool };
  }

  /** All flows are new. Pages that were never written are looked at only, and stay unused. */
  clearLedger(): void {
    this.moveFlows(0);
  }

  /**
   * Flows go to another of their places, as if others had been in the first; 0 = to none. Nothing is in flight.
   * @param way the new place's number is the old one's, exclusive or this
   */
  moveFlows(way: number): void {
    const { slots } = this.real.ledger;
    const first = practiceQueue(this.plan, this.worker) * QUEUE_SLOTS;
    const moved = new Map<number, Int32Array>();
    for (let number = first; number < first + QUEUE_SLOTS; number++) {
      const s = number * SLOT_WORDS;
      if (slots[s + Slot.tag] === 0 && slots[s + Slot.owner] === 0) continue;
      if (way > 0 && number < first + FLOW_SLOTS) moved.set(number ^ way, slots.slice(s, s + SLOT_WORDS));
      slots.fill(0, s, s + SLOT_WORDS);
    }
    for (const [number, words] of moved) slots.set(words, number * SLOT_WORDS);
  }
}
