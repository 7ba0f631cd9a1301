/** The backlog ring against a plain queue, also where the indices pass 2^31 and 2^32. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINE_WORDS } from '#rxsteer/dataplane/layout.js';
import { OWNER_RING } from '#rxsteer/dataplane/pool.js';
import { OwnRing, RingConsumer, RingProducer, repairRing, ringDrained } from '#rxsteer/dataplane/ring.js';
import { WORK_MAX, Work } from '#rxsteer/forward/work.js';
import { Burst, Kind } from '#rxsteer/packet/burst.js';
import { makeRing } from './shared-kit.js';

const SLOTS = 4096;
/** Near 0, and just below the wrap-arounds of signed and unsigned 32 bits. */
const STARTS = [0, 0x7fff_fff8, -8, 12_345];
const CONSUMER = 2;

class Kit {
  readonly ring;
  readonly owner = new Int32Array(SLOTS);
  readonly burst = new Burst(new Uint8Array(64));
  readonly work = new Work();
  readonly producer: RingProducer;
  consumer: RingConsumer;
  private next = 0;

  constructor(
    readonly capacity: number,
    readonly limit: number,
    start: number,
  ) {
    this.ring = makeRing(capacity, start);
    this.producer = new RingProducer(this.ring, this.owner, CONSUMER, limit);
    this.consumer = this.attach();
  }

  attach(): RingConsumer {
    return new RingConsumer(this.ring, this.owner, CONSUMER, (id) => id * 10);
  }

  /** Pushes the next frame, whose every field follows from its number; its number, or -1 when full. */
  push(): number {
    const { burst } = this;
    const n = this.next;
    burst.port = n % 1024;
    burst.queue = n % 512;
    this.fill(0, n);
    if (!this.producer.push(burst, 0, n * 1000 - 5, n - 1)) return -1;
    this.next++;
    return n;
  }

  /** Frame n at index i of the burst. */
  private fill(i: number, n: number): void {
    const { burst } = this;
    burst.id[i] = n % SLOTS;
    burst.len[i] = (n * 7) % 66_000;
    burst.flags[i] = n % 16;
    burst.kind[i] = n % 3 === 0 ? Kind.group : Kind.ipv4;
    burst.vlan[i] = n % 5 === 0 ? -1 : (n * 13) % 0x10000;
    burst.dmacHi[i] = n % 65_536;
    burst.dmacLo[i] = -n;
    burst.smacHi[i] = (n * 3) % 65_536;
    burst.smacLo[i] = n | 0x8000_0000;
  }

  /** Pushes the next `count` frames in one go, named in reverse by a list with something before and behind it. */
  pushList(count: number): number[] {
    const { burst } = this;
    const first = this.next;
    const list = Int32Array.from({ length: count + 2 }, (_, k) => count - k);
    const carried = new Int32Array(count + 1);
    // Frame numbers go up along the list, so burst indices go down; port and queue are the burst's.
    for (let k = 0; k < count; k++) this.fill(count - 1 - k, first + k);
    for (let k = 0; k < count; k++) carried[count - 1 - k] = first + k - 1;
    burst.port = 5;
    burst.queue = 6;
    const taken = this.producer.pushList(burst, list, 1, count, 7000, carried);
    this.next += taken;
    return Array.from({ length: taken }, (_, k) => first + k);
  }

  /** Checks that work entry w is frame n. */
  expectFrame(w: number, n: number): void {
    const { work } = this;
    const vlan = n % 5 === 0 ? -1 : ((n * 13) % 0x10000) & 0xfff;
    const got = [work.id[w], work.off[w], work.len[w], work.flags[w], work.kind[w], work.port[w]];
    expect(got).toEqual([
      n % SLOTS,
      (n % SLOTS) * 10,
      (n * 7) % 66_000,
      n % 16,
      n % 3 === 0 ? Kind.group : 0,
      n % 1024,
    ]);
    expect([work.queue[w], work.vlan[w], work.seq[w], work.ledger[w]]).toEqual([
      n % 512,
      vlan,
      n * 1000 - 5,
      n - 1,
    ]);
    expect([work.dmacHi[w], work.dmacLo[w], work.smacHi[w], work.smacLo[w]]).toEqual([
      n % 65_536,
      -n | 0,
      (n * 3) % 65_536,
      n | 0x8000_0000,
    ]);
  }

  done(): number {
    return this.ring.index[2 * LINE_WORDS]!;
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constant('push' as const), n: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('publish' as const), n: fc.constant(0) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('take' as const), n: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('complete' as const), n: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('die' as const), n: fc.constant(0) }) },
);

describe('backlog ring', () => {
  it('is a bounded queue for one producer and one consumer, over every wrap-around', () => {
    const shape = fc.record({
      exponent: fc.nat(4),
      slack: fc.nat(3),
      start: fc.constantFrom(...STARTS),
      steps: fc.array(step, { maxLength: 80 }),
    });
    fc.assert(
      fc.property(shape, ({ exponent, slack, start, steps }) => {
        const capacity = 2 ** exponent;
        const kit = new Kit(capacity, Math.max(1, capacity - slack), start);
        let pushed: number[] = [];
        let waiting: number[] = [];
        let taken: number[] = [];
        let finished = 0;
        for (const { op, n } of steps) {
          if (op === 'push') {
            for (let k = 0; k < n; k++) {
              const full = pushed.length + waiting.length >= kit.limit;
              const frame = kit.push();
              expect(frame === -1).toBe(full);
              if (frame >= 0) pushed.push(frame);
            }
          } else if (op === 'publish') {
            expect(kit.producer.publish()).toBe(pushed.length);
            for (const frame of pushed) expect(kit.owner[frame % SLOTS]).toBe(OWNER_RING | (CONSUMER + 1));
            waiting = [...waiting, ...pushed];
            pushed = [];
          } else if (op === 'take') {
            kit.work.n = 0;
            const count = kit.consumer.take(kit.work, n);
            // What it knew before may be less than what is there; an empty take has looked again.
            expect(count).toBeLessThanOrEqual(Math.min(n, waiting.length));
            if (count === 0 && n > 0) expect(waiting.length).toBe(0);
            for (let w = 0; w < count; w++) {
              kit.expectFrame(w, waiting[w]!);
              expect(kit.owner[waiting[w]! % SLOTS]).toBe(CONSUMER + 1);
            }
            taken = [...taken, ...waiting.slice(0, count)];
            waiting = waiting.slice(count);
          } else if (op === 'complete') {
            const count = Math.min(n, taken.length);
            kit.consumer.complete(count);
            finished += count;
            taken = taken.slice(count);
          } else {
            // The consumer dies: what it had taken is swept, what waits is for its successor.
            repairRing(kit.ring, kit.owner, CONSUMER);
            kit.consumer = kit.attach();
            finished += taken.length;
            taken = [];
          }
          expect(kit.consumer.empty()).toBe(waiting.length === 0);
          expect(kit.done()).toBe((start + finished) | 0);
          expect(ringDrained(kit.ring)).toBe(waiting.length + taken.length === 0);
        }
      }),
      { numRuns: 400, seed: 11 },
    );
  });

  it.each(STARTS)('takes a list of frames as it takes them one by one, starting at %i', (start) => {
    const kit = new Kit(16, 12, start);
    for (const [count, room] of [
      [5, 12],
      [9, 7],
      [3, 0],
    ] as const) {
      const got = kit.pushList(count);
      expect(got).toHaveLength(Math.min(count, room));
      expect(kit.producer.occupancy()).toBe(12 - room + got.length);
    }
    kit.producer.publish();
    expect(kit.consumer.take(kit.work, 64)).toBe(12);
    for (let w = 0; w < 12; w++) {
      const { work } = kit;
      expect([work.id[w], work.len[w], work.dmacLo[w], work.smacHi[w], work.ledger[w]]).toEqual([
        w % SLOTS,
        (w * 7) % 66_000,
        -w | 0,
        (w * 3) % 65_536,
        w - 1,
      ]);
      expect([work.port[w], work.queue[w]]).toEqual([5, 6]);
      // Sequences follow the burst, not the list: the first five frames lay at indices 4 … 0.
      expect(work.seq[w]).toBe(7000 + (w < 5 ? 4 - w : 8 - (w - 5)));
    }
    // There is room again once the consumer has taken them.
    expect(kit.pushList(4)).toEqual([12, 13, 14, 15]);
  });

  it.each(STARTS)('refuses exactly beyond its limit, starting at %i', (start) => {
    const kit = new Kit(8, 5, start);
    for (let round = 0; round < 5; round++) {
      for (let k = 0; k < 5; k++) expect(kit.push()).toBeGreaterThanOrEqual(0);
      expect(kit.push()).toBe(-1);
      expect(kit.producer.occupancy()).toBe(5);
      kit.producer.publish();
      expect(kit.push()).toBe(-1);
      kit.work.n = 0;
      expect(kit.consumer.take(kit.work, 2)).toBe(2);
      expect(kit.push()).toBeGreaterThanOrEqual(0);
      kit.producer.publish();
      // Appends behind what the work already holds, and sees what was published meanwhile.
      expect(kit.consumer.take(kit.work, 64) + kit.consumer.take(kit.work, 64)).toBe(4);
      expect(kit.work.n).toBe(6);
      kit.consumer.complete(6);
    }
  });

  it('does not count as waiting what was taken', () => {
    const kit = new Kit(64, 64, 0);
    for (let round = 0; round < 20; round++) {
      for (let k = 0; k < 3; k++) kit.push();
      kit.producer.publish();
      // Asked for more than 3, it need not look; asked for more than 2, it must.
      expect(kit.producer.occupancy(2)).toBe(3);
      kit.work.n = 0;
      expect(kit.consumer.take(kit.work, 64)).toBe(3);
      expect(kit.producer.occupancy(2)).toBeLessThanOrEqual(3);
      expect(kit.producer.occupancy()).toBe(0);
      kit.consumer.complete(3);
    }
  });

  it('repair skips what the dead consumer had marked as its own before it advanced the head', () => {
    const kit = new Kit(8, 8, -2);
    for (let k = 0; k < 4; k++) kit.push();
    kit.producer.publish();
    kit.owner[0] = CONSUMER + 1;
    kit.owner[1] = 0;
    repairRing(kit.ring, kit.owner, CONSUMER);
    expect(kit.ring.index[LINE_WORDS]).toBe(0);
    kit.consumer = kit.attach();
    expect(kit.consumer.take(kit.work, 64)).toBe(2);
    kit.expectFrame(0, 2);
    kit.expectFrame(1, 3);
  });

  it.each(STARTS)('counts a worker’s own frames without entries, starting at %i', (start) => {
    const ring = makeRing(0, start);
    const own = new OwnRing(ring);
    own.accept(3);
    own.accept(4);
    expect(ringDrained(ring)).toBe(false);
    own.complete();
    expect(ringDrained(ring)).toBe(true);
    expect(ring.index[0]).toBe((start + 7) | 0);
    own.accept(5);
    // A successor finds the frames of its dead predecessor finished.
    new OwnRing(ring);
    expect(ringDrained(ring)).toBe(true);
  });

  it('appends to a work of several bursts, up to its end', () => {
    const kit = new Kit(512, 512, 0);
    for (let n = 0; n < WORK_MAX; n++) expect(kit.push()).toBe(n);
    kit.producer.publish();
    for (let taken = 0; taken < WORK_MAX; taken += 64) expect(kit.consumer.take(kit.work, 64)).toBe(64);
    expect(kit.work.n).toBe(WORK_MAX);
    const numbers = Array.from({ length: WORK_MAX }, (_, n) => n);
    expect([...kit.work.id]).toEqual(numbers);
    expect([...kit.work.seq]).toEqual(numbers.map((n) => n * 1000 - 5));
    expect([...kit.work.dmacLo]).toEqual(numbers.map((n) => -n | 0));
  });
});
