/** One side of a ring, in a thread of its own; never ends. See `side.ts`. */
import { workerData } from 'node:worker_threads';
import { LINE_WORDS } from '#rxsteer/dataplane/layout.js';
import { loadNative } from '#rxsteer/dataplane/native.js';
import { RingConsumer, RingProducer } from '#rxsteer/dataplane/ring.js';
import { Work } from '#rxsteer/forward/work.js';
import { Burst } from '#rxsteer/packet/burst.js';
import type { RingRequest } from './side.js';
import { WordRing } from './words.js';

const BULK = 32;
const { kind, side, index, entries, owner, count } = workerData as RingRequest;
loadNative()?.pinThread(side === 'producer' ? 0 : 1);
if (kind === 'words') words();
else frames();

function words(): void {
  const ring = new WordRing(index, entries);
  const items = new Int32Array(BULK);
  if (side === 'producer') {
    for (let value = 0; ; ) {
      for (let k = 0; k < BULK; k++) items[k] = value++ | 0;
      while (!ring.put(items, BULK));
    }
  }
  for (let sum = 0, taken = 0; ; ) {
    if (!ring.get(items, BULK)) continue;
    for (let k = 0; k < BULK; k++) sum = (sum + items[k]!) | 0;
    taken += BULK;
    count[0] = taken;
    count[1] = sum;
  }
}

function frames(): void {
  const memory = { index, entries };
  const slots = owner.length;
  if (side === 'producer') {
    const producer = new RingProducer(memory, owner, 1, entries.length / 8);
    const burst = new Burst(new Uint8Array(64));
    for (let id = 0, seq = 0; ; ) {
      for (let i = 0; i < BULK; i++) {
        burst.id[i] = id;
        burst.len[i] = 60;
        burst.vlan[i] = -1;
        burst.dmacLo[i] = id;
        id = id + 1 === slots ? 0 : id + 1;
      }
      for (let i = 0; i < BULK; i++) {
        while (!producer.push(burst, i, seq, 0));
        seq = (seq + 1) | 0;
      }
      producer.publish();
    }
  }
  const consumer = new RingConsumer(memory, owner, 1, (id) => id * 2048 + 64);
  const work = new Work();
  for (let taken = 0; ; ) {
    work.n = 0;
    const n = consumer.take(work, BULK);
    if (n === 0) continue;
    consumer.complete(n);
    taken += n;
    count[0] = taken;
    count[LINE_WORDS] = work.seq[0]!;
  }
}
