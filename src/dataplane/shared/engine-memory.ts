/**
 * All shared memory of one running engine: what the main thread allocates once and every worker attaches to.
 *
 * Promise: `allocateEngineMemory` makes it, `attachEngine` gives the same views in any thread. The plan is plain
 * data (posted by structured clone); SharedArrayBuffers are shared by it, not copied.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../../errors.js';
import { allocateShared, Carver, LINE_WORDS, powerOfTwoAtLeast, SMALL_SLOT_BYTES } from '../memory/layout.js';
import { carvePool, FramePool, poolBytes } from '../memory/pool.js';
import { carveRings, RING_ENTRY_BYTES, type RingMemory, startRing } from '../memory/ring.js';
import { carveLedger } from '../order/flow-slot.js';
import { carveHistory } from '../order/history.js';
import { carveCounters } from './counters.js';
import { carveFloods } from './flood-budget.js';
import { carveCensus } from './flow-census.js';
import type { EnginePlan } from './plan.js';
import { WORKER_WORDS } from './words.js';

/** Bytes per worker behind the slots where software segmentation builds its segments. */
export const SCRATCH_SLOT_BYTES = 16 * 1024;
export const SCRATCH_SLOTS = 64;

export interface EngineMemory {
  readonly frames: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  /** Owner table of MAC policies. */
  readonly policy: SharedArrayBuffer;
  /** MAC table of the switch. */
  readonly switching: SharedArrayBuffer;
  /** eventfd per worker (-1 without the addon). */
  readonly events: readonly number[];
}

export interface EngineViews {
  readonly pool: FramePool;
  /** Ring from worker p to worker c at p * workers + c; p = c is for a worker's own frames. */
  readonly rings: RingMemory[];
  readonly counters: ReturnType<typeof carveCounters>;
  readonly ledger: ReturnType<typeof carveLedger>;
  readonly orderHistory: Int32Array;
  /** Hash of the flow of the frame in each pool slot, for policies that follow consumers. */
  readonly flowHashes: Int32Array;
  /** Worker + 1 that each port's consumer runs on; 0 = not known. */
  readonly consumers: Int32Array;
  readonly global: Int32Array;
  readonly workers: Int32Array[];
  /** One lock per port and transmit queue, see `lockIndex`. */
  readonly locks: Int32Array;
  /** Counts each port's changes of what workers attach to; written before `Global.portsEpoch`. */
  readonly portEpochs: Int32Array;
  /** Next ingest sequence number of each receive queue (global number), a line each. */
  readonly sequences: Int32Array;
  /**
   * By receive queue, taken by compare-and-swap, given back by its holder:
   *   > 0  polled by worker n - 1
   *   < 0  released by worker -n - 1
   *   0    never polled
   */
  readonly pollers: Int32Array;
  /** By receive queue: the last `ReceiveStatus.error` that its poller met. For the main thread to act on. */
  readonly queueErrors: Int32Array;
  /** Budgets of flooded copies, see `FloodBudget`. */
  readonly floods: Int32Array;
  /** Pauses of each worker for live changes (see `Pause`), a line each; written by the worker. */
  readonly pauses: Float64Array[];
  readonly census: ReturnType<typeof carveCensus>;
}

function carve(carver: Carver, plan: EnginePlan) {
  const { ports, queues, txQueues } = plan.room;
  const capacity = powerOfTwoAtLeast(plan.backlog);
  const rings: RingMemory[] = [];
  const slots = plan.smallPerWorker + plan.largePerWorker;
  for (let p = 0; p < plan.workers; p++) rings.push(...carveRings(carver, plan.workers, capacity, slots));
  return {
    pool: carvePool(carver, poolSize(plan), scratchOffset(plan, plan.workers)),
    rings,
    counters: carveCounters(carver, { workers: plan.workers, ports, queues }),
    // Behind the receive queues there is one for the warm-up of each worker, see `practiceQueue`.
    ledger: carveLedger(carver, queues + plan.workers),
    orderHistory: carveHistory(carver, queues),
    flowHashes: carver.words(plan.workers * (plan.smallPerWorker + plan.largePerWorker) + plan.lentSlots),
    consumers: carver.words(ports),
    global: carver.words(4 * LINE_WORDS),
    workers: Array.from({ length: plan.workers }, () => carver.words(WORKER_WORDS)),
    locks: carver.words(txQueues * LINE_WORDS),
    portEpochs: carver.words(ports),
    sequences: carver.words(queues * LINE_WORDS),
    pollers: carver.words(queues),
    queueErrors: carver.words(queues),
    floods: carveFloods(carver, ports),
    pauses: Array.from({ length: plan.workers }, () => carver.doubles(LINE_WORDS / 2)),
    census: carveCensus(carver, queues),
  };
}

function poolSize(plan: EnginePlan) {
  return {
    workers: plan.workers,
    smallPerWorker: plan.smallPerWorker,
    largePerWorker: plan.largePerWorker,
    ...(plan.lentSlots === 0 ? {} : { lent: plan.lentSlots }),
  };
}

/** Offset of worker w's scratch area in the frame memory. */
export function scratchOffset(plan: EnginePlan, w: number): number {
  return poolBytes(poolSize(plan)) + w * SCRATCH_SLOTS * SCRATCH_SLOT_BYTES;
}

/**
 * Slots of a worker's warm-up: pieces of its scratch area, as small as small slots, numbered on as those. They are none
 * of the pool's; there are `PRACTICE_SLOTS`.
 */
export function firstPracticeSlot(plan: EnginePlan, worker: number): number {
  return scratchOffset(plan, worker) / SMALL_SLOT_BYTES;
}

/** Number of the receive queue, as the order ledger counts them, whose frames are those of a worker's warm-up. */
export function practiceQueue(plan: EnginePlan, worker: number): number {
  return plan.room.queues + worker;
}

/** Bytes of all backlog rings: by far the most of the shared words when there is too much of them. */
function ringBytes(plan: EnginePlan): number {
  return plan.workers * (plan.workers - 1) * powerOfTwoAtLeast(plan.backlog) * RING_ENTRY_BYTES;
}

/** Runs an allocation; one line that names the flags when there is not so much memory, or it cannot be addressed. */
function allocate<T>(bytes: number, flags: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(
      `${flags} ask for ${(bytes / 2 ** 30).toFixed(1)} GiB of memory: choose less${strict() ? ' (vm.overcommit_memory=2 counts also what is never used)' : ''}`,
      { code: 'RXS_MEMORY' },
    );
  }
}

/** The kernel grants no more addresses than there is memory. */
function strict(): boolean {
  try {
    return readFileSync('/proc/sys/vm/overcommit_memory', 'latin1').trim() === '2';
  } catch {
    return false;
  }
}

/**
 * Main thread, once: allocates and initialises. Throws UserError when the plan asks for more memory than there is.
 * @param start where sequence numbers and ring positions begin
 */
export function allocateEngineMemory(
  plan: EnginePlan,
  extra: Omit<EngineMemory, 'frames' | 'words'>,
  start = 0,
): EngineMemory {
  const frameBytes = scratchOffset(plan, plan.workers);
  const memory: EngineMemory = {
    frames: allocate(frameBytes, '--frames, --large-frames and --workers', () => {
      // Offsets into the pool are 32-bit integers everywhere.
      if (frameBytes > 0x7fff_ffff) throw new RangeError('beyond 2 GiB');
      return new SharedArrayBuffer(frameBytes);
    }),
    words: allocate(wordBytes(plan), wordFlags(plan), () => {
      const words = allocateShared((carver) => carve(carver, plan));
      // What cannot be addressed is found out here, not by each worker.
      carve(new Carver(words), plan);
      return words;
    }),
    ...extra,
  };
  const views = attachEngine(plan, memory);
  views.pool.initialise();
  for (const ring of views.rings) startRing(ring, start);
  for (let q = 0; q < plan.room.queues; q++) views.sequences[q * LINE_WORDS] = start;
  return memory;
}

/** Bytes of the shared words. */
function wordBytes(plan: EnginePlan): number {
  const measure = new Carver(null);
  carve(measure, plan);
  return measure.bytes;
}

/** What most of the shared words are for: backlog rings, or receive queues (order ledger, census). */
function wordFlags(plan: EnginePlan): string {
  return ringBytes(plan) > wordBytes(plan) / 2
    ? '--backlog and --workers (--max-workers)'
    : `${plan.room.queues} receive queues (the ports' queues=), --backlog and --workers`;
}

/** Any thread: the views. */
export function attachEngine(plan: EnginePlan, memory: EngineMemory): EngineViews {
  const views = carve(new Carver(memory.words), plan);
  return { ...views, pool: new FramePool(memory.frames, views.pool, poolSize(plan), views.rings) };
}
