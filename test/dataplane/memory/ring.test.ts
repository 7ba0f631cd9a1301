/** The backlog ring against a plain queue, also where the indices pass 2^31 and 2^32. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import {
  RingConsumer,
  type RingMemory,
  repairRing,
  ringDrained,
  ringReturning,
  State,
} from '#rxsteer/dataplane/memory/ring.js';
import { UNWATCHED } from '#rxsteer/dataplane/order/flow-slot.js';
import { BATCH_MAX, Batch } from '#rxsteer/forward/batch.js';
import { Burst, Kind } from '#rxsteer/packet/burst.js';
import { makeLane } from './shared-kit.js';

const SLOTS = 4096;
/** Near 0, and just below the wrap-arounds of signed and unsigned 32 bits. */
const STARTS = [0, 0x7fff_fff8, -8, 12_345];
const PRODUCER = 1;
const CONSUMER = 2;
const WORKERS = 3;

class Kit {
  readonly ring: RingMemory;
  readonly burst = new Burst(new Uint8Array(64));
  readonly batch = new Batch();
  readonly producer: RingProducer;
  consumer: RingConsumer;
  private next = 0;

  constructor(
    readonly capacity: number,
    readonly limit: number,
    start: number,
  ) {
    const rings = makeLane(WORKERS, capacity, start, SLOTS);
    this.ring = rings[CONSUMER]!;
    this.producer = new RingProducer(rings, PRODUCER, limit);
    this.consumer = this.attach();
  }

  attach(): RingConsumer {
    return new RingConsumer(this.ring);
  }

  /** Pushes the next frame, whose every field follows from its number; its number, or -1 when full. */
  push(): number {
    const { burst } = this;
    const n = this.next;
    burst.port = n % 1024;
    this.fill(0, n);
    if (!this.producer.append(CONSUMER, burst, 0, n * 1000 - 5, n - 1)) return -1;
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
    burst.describe(i, n % 65_536, -n, (n * 3) % 65_536, n | 0x8000_0000);
  }

  /** Checks that work entry w is frame n. */
  expectFrame(w: number, n: number): void {
    const { batch } = this;
    const vlan = n % 5 === 0 ? -1 : ((n * 13) % 0x10000) & 0xfff;
    expect(batch.frame(w)).toEqual({
      id: n % SLOTS,
      len: (n * 7) % 66_000,
      flags: n % 16,
      isGroup: n % 3 === 0,
      port: n % 1024,
      vlan,
      seq: n * 1000 - 5,
      ledger: n - 1,
      dmacHi: n % 65_536,
      dmacLo: -n | 0,
      smacHi: (n * 3) % 65_536,
      smacLo: n | 0x8000_0000,
    });
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
  { weight: 3, arbitrary: fc.record({ op: fc.constant('publish' as const), n: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('take' as const), n: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('complete' as const), n: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('die' as const), n: fc.constant(0) }) },
);

describe('backlog ring', () => {
  it('lets a pass have as many frames as fit before the fifth super-frame', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STARTS),
        fc.integer({ min: 1, max: 64 }),
        fc.nat(60),
        (start, max, skip) => {
          const kit = new Kit(64, 64, start);
          for (let n = 0; n < skip; n++) kit.push();
          kit.producer.publish(CONSUMER);
          expect(kit.consumer.take(kit.batch, BATCH_MAX)).toBe(skip);
          kit.batch.n = 0;
          kit.consumer.complete(skip);
          for (let n = 0; n < 64; n++) kit.push();
          kit.producer.publish(CONSUMER);
          const isSuper = (n: number) => ((n % 16) & 2) !== 0;
          let fits = 0;
          for (let supers = 0; fits < max; fits++) if (isSuper(skip + fits) && ++supers > 4) break;
          expect(kit.consumer.fitting(max)).toBe(fits);
          expect(kit.consumer.take(kit.batch, kit.consumer.fitting(max))).toBe(fits);
          kit.expectFrame(fits - 1, skip + fits - 1);
        },
      ),
    );
  });

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
            expect(kit.producer.publish(CONSUMER)).toBe(pushed.length);
            if (n % 2 === 0) kit.producer.claim(CONSUMER);
            waiting = [...waiting, ...pushed];
            pushed = [];
          } else if (op === 'take') {
            kit.batch.n = 0;
            const count = kit.consumer.take(kit.batch, n);
            // What it knew before may be less than what is there; an empty take has looked again.
            expect(count).toBeLessThanOrEqual(Math.min(n, waiting.length));
            if (count === 0 && n > 0) expect(waiting.length).toBe(0);
            for (let w = 0; w < count; w++) kit.expectFrame(w, waiting[w]!);
            taken = [...taken, ...waiting.slice(0, count)];
            waiting = waiting.slice(count);
          } else if (op === 'complete') {
            const count = Math.min(n, taken.length);
            kit.consumer.complete(count);
            finished += count;
            taken = taken.slice(count);
          } else {
            // The consumer dies: what it had taken is finished, what waits is for its successor.
            expect(repairRing(kit.ring)).toBe(taken.length);
            kit.consumer = kit.attach();
            finished += taken.length;
            taken = [];
          }
          expect(kit.consumer.empty()).toBe(waiting.length === 0);
          expect(kit.done()).toBe((start + finished) | 0);
          expect(ringReturning(kit.ring)).toBe(finished);
          expect(ringDrained(kit.ring)).toBe(waiting.length + taken.length === 0);
        }
      }),
      { numRuns: 400, seed: 11 },
    );
  });

  it.each(STARTS)('refuses exactly beyond its limit, starting at %i', (start) => {
    const kit = new Kit(8, 5, start);
    for (let round = 0; round < 5; round++) {
      for (let k = 0; k < 5; k++) expect(kit.push()).toBeGreaterThanOrEqual(0);
      expect(kit.push()).toBe(-1);
      expect(kit.producer.occupancy(CONSUMER)).toBe(5);
      kit.producer.publish(CONSUMER);
      expect(kit.push()).toBe(-1);
      kit.batch.n = 0;
      expect(kit.consumer.take(kit.batch, 2)).toBe(2);
      expect(kit.push()).toBeGreaterThanOrEqual(0);
      kit.producer.publish(CONSUMER);
      // Appends behind what the work already holds, and sees what was published meanwhile.
      expect(kit.consumer.take(kit.batch, 64) + kit.consumer.take(kit.batch, 64)).toBe(4);
      expect(kit.batch.n).toBe(6);
      kit.consumer.complete(6);
    }
  });

  it('does not count as waiting what was taken', () => {
    const kit = new Kit(64, 64, 0);
    for (let round = 0; round < 20; round++) {
      for (let k = 0; k < 3; k++) kit.push();
      kit.producer.publish(CONSUMER);
      // Asked for more than 3, it need not look; asked for more than 2, it must.
      expect(kit.producer.occupancy(CONSUMER, 2)).toBe(3);
      kit.batch.n = 0;
      expect(kit.consumer.take(kit.batch, 64)).toBe(3);
      expect(kit.producer.occupancy(CONSUMER, 2)).toBeLessThanOrEqual(3);
      expect(kit.producer.occupancy(CONSUMER)).toBe(0);
      kit.consumer.complete(3);
    }
  });

  it('copies any bits of a descriptor, also those of numbers that are none', () => {
    const kit = new Kit(8, 8, 0);
    const { burst } = kit;
    const bits = [0x7ff0_0001, 0x7ff8_0000, -1, 0x7fff_ffff, -0x8000_0000, 0x7ff7_ffff];
    bits.forEach((word, k) => {
      burst.id[0] = k;
      burst.len[0] = 0xf_ffff;
      burst.flags[0] = 15;
      burst.kind[0] = Kind.group;
      burst.vlan[0] = 4095;
      burst.port = 1023;
      burst.describe(0, word >>> 16, word, word & 0xffff, word);
      kit.producer.append(CONSUMER, burst, 0, word, UNWATCHED);
    });
    kit.producer.publish(CONSUMER);
    kit.consumer.take(kit.batch, 8);
    bits.forEach((word, w) => {
      const { id, dmacLo, smacLo, dmacHi, smacHi, seq, ledger, vlan, port, len } = kit.batch.frame(w);
      expect([id, dmacLo, smacLo, seq, (dmacHi << 16) | smacHi]).toEqual([w, word, word, word, word]);
      expect([ledger, vlan, port, len]).toEqual([UNWATCHED, 4095, 1023, 0xf_ffff]);
    });
  });

  it.each(STARTS)('puts own frames into the own work and counts them, starting at %i', (start) => {
    const rings = makeLane(WORKERS, 8, start, 1024);
    const own = rings[PRODUCER]!;
    const burst = new Burst(new Uint8Array(64));
    let producer = new RingProducer(rings, PRODUCER, 8);
    let id = 0;
    const keep = (count: number) => {
      for (let k = 0; k < count; k++, id++) {
        burst.id[0] = id;
        burst.describe(0, 0, 0, 0, 0);
        expect(producer.append(PRODUCER, burst, 0, id, 0)).toBe(true);
      }
      producer.publish(PRODUCER);
    };
    for (const frames of [3, BATCH_MAX, 1, 300 - BATCH_MAX]) {
      const batch = new Batch(producer.ownBatch());
      const first = id;
      keep(frames);
      expect(producer.ownCount()).toBe(frames);
      if (frames === BATCH_MAX) expect(producer.append(PRODUCER, burst, 0, id, 0)).toBe(false);
      expect(ringDrained(own)).toBe(false);
      for (let w = 0; w < frames; w++) expect(batch.frame(w).id).toBe(first + w);
      producer.completeOwn();
      expect(ringDrained(own)).toBe(true);
      expect(ringReturning(own)).toBe(frames);
      // What the pool does.
      own.area[own.state + State.returned] = producer.position(PRODUCER);
      producer.rewind();
      expect(producer.ownCount()).toBe(0);
      expect(producer.position(PRODUCER)).toBe((start + id) | 0);
      expect(ringReturning(own)).toBe(0);
    }
    keep(5);
    // A successor begins anew, behind everything that its predecessor had.
    producer = new RingProducer(rings, PRODUCER, 8);
    expect([producer.ownCount(), ringDrained(own), ringReturning(own)]).toEqual([0, true, 0]);
  });

  it('appends to a work of several bursts, up to its end', () => {
    const kit = new Kit(512, 512, 0);
    for (let n = 0; n < BATCH_MAX; n++) expect(kit.push()).toBe(n);
    kit.producer.publish(CONSUMER);
    for (let taken = 0; taken < BATCH_MAX; taken += 64) expect(kit.consumer.take(kit.batch, 64)).toBe(64);
    expect(kit.batch.n).toBe(BATCH_MAX);
    const numbers = Array.from({ length: BATCH_MAX }, (_, n) => n);
    expect(numbers.map((n) => kit.batch.frame(n).id)).toEqual(numbers);
    for (const n of numbers) kit.expectFrame(n, n);
  });
});
