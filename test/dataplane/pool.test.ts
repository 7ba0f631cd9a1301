/** The pool against a model: whatever happens to slots, each is in exactly one state. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LARGE_FRAME_MAX,
  LARGE_SLOT_BYTES,
  SMALL_FRAME_MAX,
  SMALL_SLOT_BYTES,
} from '#rxsteer/dataplane/layout.js';
import { type FramePool, OWNER_RETURN, OWNER_RING } from '#rxsteer/dataplane/pool.js';
import { attachPool, type PoolMemory, poolMemory } from './shared-kit.js';

const SIZE = { workers: 3, smallPerWorker: 5, largePerWorker: 2 };
const SLOTS = 3 * 7;

/** What the model knows of a slot: free, held by w, in a ring to w, in a chain that w has not flushed, returned. */
type State =
  | { at: 'free' }
  | { at: 'held'; w: number }
  | { at: 'ring'; w: number }
  | { at: 'chain'; by: number }
  | { at: 'returned' };

class Model {
  readonly memory: PoolMemory = poolMemory(SIZE);
  /** One view per worker thread, and the main thread's. */
  readonly views: FramePool[] = Array.from({ length: SIZE.workers }, () => attachPool(this.memory));
  readonly main = attachPool(this.memory);
  readonly states: State[] = Array.from({ length: SLOTS }, () => ({ at: 'free' }));

  constructor() {
    this.main.initialise();
  }

  home(id: number): number {
    return this.main.homeOf(id);
  }

  pick(at: State['at'], w: number, n: number): number {
    const ids = this.states.flatMap((s, id) => (s.at === at && 'w' in s && s.w === w ? [id] : []));
    return ids.length === 0 ? -1 : ids[n % ids.length]!;
  }

  reclaimed(w: number): void {
    this.states.forEach((s, id) => {
      if (s.at === 'returned' && this.home(id) === w) this.states[id] = { at: 'free' };
    });
  }

  take(w: number, large: boolean): void {
    const id = this.views[w]!.take(w, large ? LARGE_FRAME_MAX : SMALL_FRAME_MAX);
    const mine = (n: number) => this.home(n) === w && n >= SIZE.workers * SIZE.smallPerWorker === large;
    const free = this.states.filter((s, n) => mine(n) && s.at === 'free').length;
    if (free === 0) this.reclaimed(w);
    if (id < 0) {
      expect(this.states.some((s, n) => mine(n) && s.at === 'free')).toBe(false);
      return;
    }
    expect(mine(id)).toBe(true);
    expect(this.states[id]).toEqual({ at: 'free' });
    this.states[id] = { at: 'held', w };
  }

  free(w: number, n: number): void {
    const id = this.pick('held', w, n);
    if (id < 0) return;
    this.views[w]!.free(w, id);
    this.states[id] = this.home(id) === w ? { at: 'free' } : { at: 'chain', by: w };
  }

  /** A burst's worth at once; the caller writes the owner words. */
  takeSmall(w: number, max: number): void {
    const ids = new Int32Array(SLOTS);
    const mine = (n: number) => this.home(n) === w && n < SIZE.workers * SIZE.smallPerWorker;
    const free = () => this.states.filter((s, n) => mine(n) && s.at === 'free').length;
    if (free() < max) this.reclaimed(w);
    const count = this.views[w]!.takeSmall(w, ids, max);
    expect(count).toBe(Math.min(max, free()));
    for (const id of ids.subarray(0, count)) {
      expect(mine(id)).toBe(true);
      expect(this.states[id]).toEqual({ at: 'free' });
      this.main.owner[id] = w + 1;
      this.states[id] = { at: 'held', w };
    }
  }

  /** All but the first `skip` of what w holds. */
  freeAll(w: number, skip: number): void {
    const held = this.states.flatMap((s, id) => (s.at === 'held' && s.w === w ? [id] : []));
    // In no particular order, as frames of several homes come.
    held.sort((a, b) => ((a * 7) % 11) - ((b * 7) % 11) || a - b);
    const from = Math.min(skip, held.length);
    this.views[w]!.freeAll(w, Int32Array.from(held), from, held.length - from);
    for (const id of held.slice(from)) {
      this.states[id] = this.home(id) === w ? { at: 'free' } : { at: 'chain', by: w };
    }
    this.states.forEach((s, id) => {
      if (s.at === 'chain' && s.by === w) this.states[id] = { at: 'returned' };
    });
  }

  flush(w: number): void {
    this.views[w]!.flush();
    this.states.forEach((s, id) => {
      if (s.at === 'chain' && s.by === w) this.states[id] = { at: 'returned' };
    });
  }

  reclaim(w: number): void {
    this.views[w]!.reclaim(w);
    this.reclaimed(w);
  }

  /** As a ring does: into it, and out of it. */
  hand(w: number, n: number, to: number): void {
    const id = this.pick('held', w, n);
    if (id < 0 || to === w) return;
    this.main.owner[id] = OWNER_RING | (to + 1);
    this.states[id] = { at: 'ring', w: to };
  }

  accept(w: number, n: number): void {
    const id = this.pick('ring', w, n);
    if (id < 0) return;
    this.main.owner[id] = w + 1;
    this.states[id] = { at: 'held', w };
  }

  /** Worker w dies between two passes (chains are flushed by then) and is buried. */
  die(w: number): void {
    this.flush(w);
    const held = this.states.filter((s) => s.at === 'held' && s.w === w).length;
    expect(this.main.sweep(w)).toBe(held);
    this.states.forEach((s, id) => {
      if (s.at === 'held' && s.w === w)
        this.states[id] = this.home(id) === w ? { at: 'free' } : { at: 'returned' };
    });
    this.reclaimed(w);
    this.views[w] = attachPool(this.memory);
  }

  check(): void {
    const { main } = this;
    const wanted = this.states.map((s, id) => {
      if (s.at === 'free') return 0;
      if (s.at === 'held') return s.w + 1;
      return s.at === 'ring' ? OWNER_RING | (s.w + 1) : OWNER_RETURN | (this.home(id) + 1);
    });
    // One comparison a step: an `expect` per slot takes most of the time.
    if (wanted.some((owner, id) => main.owner[id] !== owner)) expect([...main.owner]).toEqual(wanted);
    const count = (at: State['at']) => this.states.filter((s) => s.at === at).length;
    expect(main.inFlight()).toBe(count('held') + count('ring'));
    expect(main.countFree()).toBe(count('free') + count('returned'));
    for (let w = 0; w < SIZE.workers; w++) {
      const free = this.states.filter((s, id) => s.at === 'free' && this.home(id) === w).length;
      expect(main.available(w)).toBe(free);
      expect(main.availableSmall(w) + main.availableLarge(w)).toBe(free);
    }
  }
}

const worker = fc.nat(SIZE.workers - 1);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('take' as const), w: worker, large: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('free' as const), w: worker, n: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('takeSmall' as const), w: worker, n: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('freeAll' as const), w: worker, n: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('hand' as const), w: worker, n: fc.nat(20), to: worker }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('accept' as const), w: worker, n: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('flush' as const), w: worker }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reclaim' as const), w: worker }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('die' as const), w: worker }) },
);

/** Takes everything that is free at a home. */
function* freeIds(pool: FramePool, w: number): Generator<number> {
  for (const length of [SMALL_FRAME_MAX, LARGE_FRAME_MAX]) {
    for (let id = pool.take(w, length); id >= 0; id = pool.take(w, length)) yield id;
  }
}

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
          else if (s.op === 'freeAll') model.freeAll(s.w, s.n);
          else if (s.op === 'hand') model.hand(s.w, s.n, s.to);
          else if (s.op === 'accept') model.accept(s.w, s.n);
          else if (s.op === 'flush') model.flush(s.w);
          else if (s.op === 'reclaim') model.reclaim(s.w);
          else model.die(s.w);
          model.check();
        }
      }),
      { numRuns: 200, seed: 7 },
    );
  });

  it('takes back a mixture of homes and sizes in one go', () => {
    const memory = poolMemory(SIZE);
    const main = attachPool(memory);
    main.initialise();
    // Worker 2 frees small slots of homes 0 and 1 in turns, its own, and large ones of all.
    const ids = Int32Array.of(0, 5, 1, 10, 15, 6, 2, 19, 17, 7, 3, 11, 8, 4);
    for (const id of ids) main.owner[id] = 3;
    for (let w = 0; w < SIZE.workers; w++) main.rebuild(w);
    expect(main.inFlight()).toBe(ids.length);
    attachPool(memory).freeAll(2, ids, 0, ids.length);
    expect(main.inFlight()).toBe(0);
    expect(main.countFree()).toBe(SLOTS);
    for (let w = 0; w < SIZE.workers; w++) {
      main.reclaim(w);
      expect(main.available(w)).toBe(7);
      const free = [...freeIds(main, w)].sort((a, b) => a - b);
      expect(new Set(free).size).toBe(7);
      expect(free.every((id) => main.homeOf(id) === w)).toBe(true);
    }
  });

  it('gives slots that do not overlap and hold what they promise', () => {
    const pool = attachPool(poolMemory(SIZE));
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
    const pool = attachPool(poolMemory(SIZE));
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
