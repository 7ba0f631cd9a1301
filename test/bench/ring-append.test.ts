/** The loop of the ring benchmark leaves the memory that the dispatcher's leaves, whatever lay in the ring. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { appendRun } from '#rxsteer/bench/ring/append.js';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { carveRings, RingConsumer } from '#rxsteer/dataplane/memory/ring.js';
import { SLOT_WORDS, Slot } from '#rxsteer/dataplane/order/flow-slot.js';
import { beginBurst, handOver } from '#rxsteer/dataplane/worker/hand-over.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { Burst } from '#rxsteer/packet/burst.js';

const ITEMS = 64;
const SLOTS = 64;
const WORD = 0x1234;

/** A ring from worker 0 to worker 1, both sides. */
function side() {
  const carve = (carver: Carver) => carveRings(carver, 2, ITEMS, SLOTS);
  const rings = carve(new Carver(allocateShared(carve)));
  const producer = new RingProducer(rings, 0, ITEMS);
  return { producer, consumer: new RingConsumer(rings[1]!), batch: new Batch() };
}

const bytes = (words: Int32Array) => Buffer.from(words.buffer, words.byteOffset, words.byteLength);

function filled(seed: number): Burst {
  const burst = new Burst(new Uint8Array(64));
  for (let i = 0; i < 64; i++) {
    burst.id[i] = (seed + i) % SLOTS;
    burst.len[i] = 60 + i;
    burst.describe(i, seed, i, 0, 0);
  }
  burst.worker.fill(1);
  burst.flow.fill(7);
  return burst;
}

it('fills the ring as the dispatcher does', () => {
  const step = fc.record({ frames: fc.integer({ min: 1, max: 64 }), taken: fc.nat(64), seed: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
      const [ours, engine] = [side(), side()];
      const ledger = { slots: new Int32Array(4 * SLOT_WORDS), watches: false };
      ledger.slots[Slot.owner] = 1 + 1;
      ledger.slots[Slot.word] = WORD;
      let seq = 0;
      for (const { frames, taken, seed } of steps) {
        const burst = filled(seed);
        let [a, b] = [0, 0];
        for (let turns = 0; turns < 3; turns++) {
          a += appendRun(ours.producer, 1, burst, a, frames, seq, WORD);
          beginBurst(burst, ledger, engine.producer, seq, 0);
          b = handOver(b, frames);
          // As `appendRun` does first, so that both know as much.
          engine.producer.look(1);
          ours.producer.look(1);
        }
        expect(b).toBe(a);
        for (const { producer, consumer, batch } of [ours, engine]) {
          producer.publish(1);
          producer.claim(1);
          batch.n = 0;
          consumer.complete(consumer.take(batch, taken));
        }
        seq += a;
        expect(bytes(engine.producer.words).equals(bytes(ours.producer.words))).toBe(true);
        expect(bytes(engine.batch.words).equals(bytes(ours.batch.words))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});
