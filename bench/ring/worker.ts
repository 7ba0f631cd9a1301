/** One side of a ring, in a thread of its own; never ends. See `side.ts`. */
import { workerData } from 'node:worker_threads';
import { loadNative } from '#rxsteer/addon/native.js';
import { LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { RingConsumer } from '#rxsteer/dataplane/memory/ring.js';
import { SLOT_WORDS, Slot } from '#rxsteer/dataplane/order/flow-slot.js';
import { beginBurst, handOver } from '#rxsteer/dataplane/worker/hand-over.js';
import { Batch, DESCRIPTOR_WORDS, Part } from '#rxsteer/forward/batch.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { appendRun } from './append.js';
import type { RingRequest } from './side.js';
import { attachWords, getWords, putWords } from './words.js';

const BULK = 32;
const items = new Int32Array(BULK);
const { kind, side, index, entries, rings, count } = workerData as RingRequest;
loadNative()?.pinThread(side === 'producer' ? 0 : 1);
if (kind === 'words') words();
else frames();

function words(): void {
  attachWords(index, entries, items);
  if (side === 'producer') {
    for (let value = 0; ; ) {
      // Wrapped at once: a counter that outgrows 32 bits would be a double ever after.
      for (let k = 0; k < BULK; k++) {
        items[k] = value;
        value = (value + 1) | 0;
      }
      while (!putWords(BULK));
    }
  }
  for (let sum = 0, taken = 0; ; ) {
    if (!getWords(BULK)) continue;
    for (let k = 0; k < BULK; k++) sum = (sum + items[k]!) | 0;
    taken += BULK;
    count[0] = taken;
    count[1] = sum;
  }
}

function frames(): void {
  const ring = rings[1]!;
  if (side === 'producer') {
    const producer = new RingProducer(rings, 0, ring.capacity);
    const slots = ring.idMask + 1;
    const burst = new Burst(new Uint8Array(64));
    burst.len.fill(60);
    burst.vlan.fill(-1);
    burst.worker.fill(1);
    // One flow, which is on worker 1: nothing is watched, as without a ledger.
    burst.flow.fill(1);
    const ledger = { slots: new Int32Array(4 * SLOT_WORDS), watches: false };
    ledger.slots[Slot.owner] = 1 + 1;
    const { id: ids, parts } = burst;
    for (let i = 0; i < 2 * BULK; i++) burst.describe(i, 0, 0, 0, 0);
    // Two halves in turns: as in the engine, a descriptor is complete some time before it is copied.
    for (let id = 0, seq = 0, half = 0; ; half ^= BULK) {
      for (let k = 0; k < BULK; k++) {
        const i = (half ^ BULK) + k;
        ids[i] = id;
        parts[i * DESCRIPTOR_WORDS + Part.id] = id;
        parts[i * DESCRIPTOR_WORDS + Part.dmacLo] = id;
        id = id + 1 === slots ? 0 : id + 1;
      }
      const end = half + BULK;
      if (kind === 'handover') beginBurst(burst, ledger, producer, (seq - half) | 0, 0);
      for (let from = half; from < end; ) {
        if (kind === 'frames') from += appendRun(producer, 1, burst, from, end, (seq - half) | 0, 0);
        else from = handOver(from, end);
        producer.publish(1);
        producer.claim(1);
        if (kind === 'handover' && from < end) producer.look(1);
      }
      seq = (seq + BULK) | 0;
    }
  }
  const consumer = new RingConsumer(ring);
  const batch = new Batch();
  const { words } = batch;
  for (let taken = 0, sum = 0; ; ) {
    batch.n = 0;
    const n = consumer.take(batch, BULK);
    if (n === 0) continue;
    for (let k = 0; k < n; k++) sum = (sum + words[k * DESCRIPTOR_WORDS]!) | 0;
    consumer.complete(n);
    taken += n;
    count[0] = taken;
    count[LINE_WORDS] = sum;
  }
}
