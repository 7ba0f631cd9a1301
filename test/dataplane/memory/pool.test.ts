/** The pool against a model: whatever happens to slots, each is in exactly one state. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LARGE_FRAME_MAX,
  LARGE_SLOT_BYTES,
  SMALL_FRAME_MAX,
  SMALL_SLOT_BYTES,
} from '#rxsteer/dataplane/memory/layout.js';
import type { FramePool } from '#rxsteer/dataplane/memory/pool.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { RingConsumer, repairRing } from '#rxsteer/dataplane/memory/ring.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { attachPool, makeLane, type PoolMemory, poolMemory } from './shared-kit.js';

const WORKERS = 3;
const SIZE = { workers: WORKERS, smallPerWorker: 5, largePerWorker: 2 };
const SLOTS = WORKERS * 7;

/** What the model knows of a slot: free, held by its home, handed over (published or not), finished but not taken back. */
type State = 'free' | 'held' | 'handed' | 'finished';

class Model {
  readonly memory: PoolMemory = poolMemory(SIZE);
  readonly rings = Array.from({ length: WORKERS }, () => makeLane(WORKERS, 8, -3, 7)).flat();
  /** One view per worker thread, and the main thread's. */
  readonly views: FramePool[] = Array.from({ length: WORKERS }, () => attachPool(this.memory, this.rings));
  readonly main = attachPool(this.memory, this.rings);
  readonly lanes = Array.from({ length: WORKERS }, (_, p) => this.producer(p));
  readonly consumers = this.rings.map((ring) => new RingConsumer(ring));
  readonly states: State[] = new Array<State>(SLOTS).fill('free');
  /** What was handed over from p to c: unpublished, waiting, taken; oldest first. At p * WORKERS + c. */
  readonly unpublished: number[][] = this.rings.map(() => []);
  readonly waiting: number[][] = this.rings.map(() => []);
  readonly taken: number[][] = this.rings.map(() => []);
  private readonly burst = new Burst(new Uint8Array(64));

  constructor() {
    this.main.initialise();
  }

  private producer(p: number): RingProducer {
    return new RingProducer(this.rings.slice(p * WORKERS, (p + 1) * WORKERS), p, 8);
  }

  home(id: number): number {
    return this.main.homeOf(id);
  }

  private held(w: number): number[] {
    return this.states.flatMap((s, id) => (s === 'held' && this.home(id) === w ? [id] : []));
  }

  reclaimed(w: number): void {
    this.states.forEach((s, id) => {
      if (s === 'finished' && this.home(id) === w) this.states[id] = 'free';
    });
  }

  take(w: number, large: boolean): void {
    const id = this.views[w]!.take(w, large ? LARGE_FRAME_MAX : SMALL_FRAME_MAX);
    const mine = (n: number) => this.home(n) === w && n >= WORKERS * SIZE.smallPerWorker === large;
    const free = this.states.filter((s, n) => mine(n) && s === 'free').length;
    if (free === 0) this.reclaimed(w);
    if (id < 0) {
      expect(this.states.some((s, n) => mine(n) && s === 'free')).toBe(false);
      return;
    }
    expect(mine(id)).toBe(true);
    expect(this.states[id]).toBe('free');
    this.states[id] = 'held';
  }

  /** A burst's worth at once; the caller writes the owner words. */
  takeSmall(w: number, max: number): void {
    const ids = new Int32Array(SLOTS);
    const mine = (n: number) => this.home(n) === w && n < WORKERS * SIZE.smallPerWorker;
    const free = () => this.states.filter((s, n) => mine(n) && s === 'free').length;
    if (free() < max) this.reclaimed(w);
    const count = this.views[w]!.takeSmall(w, ids, max);
    expect(count).toBe(Math.min(max, free()));
    for (const id of ids.subarray(0, count)) {
      expect(mine(id)).toBe(true);
      expect(this.states[id]).toBe('free');
      this.main.owner[id] = w + 1;
      this.states[id] = 'held';
    }
  }

  free(w: number, n: number): void {
    const held = this.held(w);
    if (held.length === 0) return;
    const id = held[n % held.length]!;
    this.views[w]!.free(w, id);
    this.states[id] = 'free';
  }

  reclaim(w: number): void {
    this.views[w]!.reclaim(w);
    this.reclaimed(w);
  }

  /** A frame goes into the ring to worker c; sometimes it is published at once. */
  hand(w: number, n: number, c: number): void {
    const held = this.held(w);
    if (held.length === 0 || c === w) return;
    const id = held[n % held.length]!;
    this.burst.id[0] = id;
    this.burst.describe(0, 0, 0, 0, 0);
    expect(this.lanes[w]!.append(c, this.burst, 0, 0, 0)).toBe(true);
    this.states[id] = 'handed';
    this.unpublished[w * WORKERS + c]!.push(id);
    if (n % 3 === 0) this.publish(w);
  }

  publish(w: number): void {
    for (let c = 0; c < WORKERS; c++) {
      const r = w * WORKERS + c;
      expect(this.lanes[w]!.publish(c)).toBe(this.unpublished[r]!.length);
      this.waiting[r]!.push(...this.unpublished[r]!.splice(0));
    }
  }

  /** Worker c takes from the ring of worker p. */
  accept(p: number, c: number, n: number): void {
    if (p === c) return;
    const r = p * WORKERS + c;
    const batch = new Batch();
    // What it saw last may be less than what is there.
    const count = this.consumers[r]!.take(batch, n);
    const ids = this.waiting[r]!.splice(0, count);
    expect(ids.map((_, w) => batch.frame(w).id)).toEqual(ids);
    this.taken[r]!.push(...ids);
  }

  /** Worker c finishes the oldest frames that it took. */
  finish(p: number, c: number, n: number): void {
    const r = p * WORKERS + c;
    const ids = this.taken[r]!.splice(0, n);
    this.consumers[r]!.complete(ids.length);
    for (const id of ids) this.states[id] = 'finished';
  }

  /** Worker w dies and is buried. */
  die(w: number): void {
    let lost = 0;
    for (let p = 0; p < WORKERS; p++) {
      const r = p * WORKERS + w;
      if (p === w) continue;
      const ids = this.taken[r]!.splice(0);
      expect(repairRing(this.rings[r]!)).toBe(ids.length);
      for (const id of ids) this.states[id] = 'finished';
      this.consumers[r] = new RingConsumer(this.rings[r]!);
    }
    // What it had not published died with it, though it lies in the ring.
    for (let c = 0; c < WORKERS; c++) {
      const ids = this.unpublished[w * WORKERS + c]!.splice(0);
      for (const id of ids) this.states[id] = 'held';
    }
    for (const id of this.held(w)) {
      this.states[id] = 'free';
      lost++;
    }
    this.reclaimed(w);
    expect(this.main.sweep(w)).toBe(lost);
    this.views[w] = attachPool(this.memory, this.rings);
    this.lanes[w] = this.producer(w);
  }

  check(): void {
    const { main } = this;
    const wanted = this.states.map((s, id) => (s === 'free' ? 0 : this.home(id) + 1));
    // One comparison a step: an `expect` per slot takes most of the time.
    if (wanted.some((owner, id) => main.owner[id] !== owner)) expect([...main.owner]).toEqual(wanted);
    const count = (...at: State[]) => this.states.filter((s) => at.includes(s)).length;
    expect(main.inFlight()).toBe(count('held', 'handed'));
    expect(main.countFree()).toBe(count('free', 'finished'));
    for (let w = 0; w < WORKERS; w++) {
      const free = this.states.filter((s, id) => s === 'free' && this.home(id) === w).length;
      expect(main.available(w)).toBe(free);
      expect(main.availableSmall(w) + main.availableLarge(w)).toBe(free);
    }
  }
}

const worker = fc.nat(WORKERS - 1);
const between = { p: worker, c: worker, n: fc.integer({ min: 1, max: 9 }) };
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('take' as const), w: worker, large: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('free' as const), w: worker, n: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('takeSmall' as const), w: worker, n: fc.nat(6) }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('hand' as const), w: worker, n: fc.nat(20), c: worker }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('publish' as const), w: worker }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('accept' as const), ...between }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('finish' as const), ...between }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('reclaim' as const), w: worker }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('die' as const), w: worker }) },
);

describe('frame pool', () => {
  it('keeps every slot in exactly one state, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const model = new Model();
        model.check();
        for (const s of steps) {
          if (s.op === 'take') model.take(s.w, s.large);
          else if (s.op === 'free') model.free(s.w, s.n);
          else if (s.op === 'takeSmall') model.takeSmall(s.w, s.n);
          else if (s.op === 'hand') model.hand(s.w, s.n, s.c);
          else if (s.op === 'publish') model.publish(s.w);
          else if (s.op === 'accept') model.accept(s.p, s.c, s.n);
          else if (s.op === 'finish') model.finish(s.p, s.c, s.n);
          else if (s.op === 'reclaim') model.reclaim(s.w);
          else model.die(s.w);
          model.check();
        }
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  it('makes free lists anew from the owner words', () => {
    const main = attachPool(poolMemory(SIZE), []);
    main.initialise();
    const ids = [0, 5, 1, 10, 15, 6, 2, 19];
    for (const id of ids) main.owner[id] = main.homeOf(id) + 1;
    for (let w = 0; w < WORKERS; w++) main.rebuild(w);
    expect([main.inFlight(), main.countFree()]).toEqual([ids.length, SLOTS - ids.length]);
    const free: number[] = [];
    for (let w = 0; w < WORKERS; w++) {
      for (const length of [SMALL_FRAME_MAX, LARGE_FRAME_MAX]) {
        for (let id = main.take(w, length); id >= 0; id = main.take(w, length)) {
          expect(main.homeOf(id)).toBe(w);
          free.push(id);
        }
      }
    }
    expect([...free, ...ids].sort((a, b) => a - b)).toEqual(Array.from({ length: SLOTS }, (_, id) => id));
  });

  it('gives slots that do not overlap and hold what they promise', () => {
    const pool = attachPool(poolMemory(SIZE), []);
    let end = 0;
    for (let id = 0; id < pool.slots; id++) {
      const small = id < pool.smallSlots;
      const start = pool.offsetOf(id);
      expect(start - end).toBe(64);
      end = start + pool.capacityOf(id);
      expect(end - start + 64).toBe(small ? SMALL_SLOT_BYTES : LARGE_SLOT_BYTES);
    }
    expect(end).toBe(pool.bytes.length);
  });

  it('chooses the class by length and refuses what fits in none', () => {
    const pool = attachPool(poolMemory(SIZE), []);
    pool.initialise();
    expect(pool.take(0, SMALL_FRAME_MAX)).toBeLessThan(pool.smallSlots);
    expect(pool.take(0, SMALL_FRAME_MAX + 1)).toBeGreaterThanOrEqual(pool.smallSlots);
    expect(pool.take(0, LARGE_FRAME_MAX + 1)).toBe(-1);
    // Large frames never take small slots when their class is used up, nor the other way round.
    expect(pool.take(0, LARGE_FRAME_MAX)).toBeGreaterThanOrEqual(pool.smallSlots);
    expect(pool.take(0, LARGE_FRAME_MAX)).toBe(-1);
    expect(pool.availableSmall(0)).toBe(SIZE.smallPerWorker - 1);
  });
});
