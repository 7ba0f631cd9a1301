// Threads of the stress tests: what each does is said by `job`; see the tests for what must come out.
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '#rxsteer/addon/native.js';
import { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { Carver, LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { carvePool, FramePool } from '#rxsteer/dataplane/memory/pool.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { RingConsumer } from '#rxsteer/dataplane/memory/ring.js';
import { makeWaker } from '#rxsteer/dataplane/shared/waker.js';
import { Sleeper } from '#rxsteer/dataplane/worker/sleeper.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { SharedLock } from '#rxsteer/sync/shared-lock.js';

const { job, gate, threads, index } = workerData;

let random = Math.imul(index + 1, 0x9e3779b1);
const next = (below) => {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return (random >>> 0) % below;
};

/** Everyone starts at once. */
function assemble() {
  if (Atomics.add(gate, 0, 1) === threads - 1) Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < threads; here = Atomics.load(gate, 0)) {
    Atomics.wait(gate, 0, here);
  }
}

/** One stream of stamped frames to every thread, from the own slots, which come back as the rings advance. */
function exchange({ memory, rings, frames, capacity, limit, sent }) {
  const { size } = memory;
  const pool = new FramePool(memory.frames, carvePool(new Carver(memory.words), size), size, rings);
  const burst = new Burst(pool.bytes);
  const batch = new Batch();
  const view = new DataView(memory.frames);
  const producer = new RingProducer(rings.slice(index * threads, (index + 1) * threads), index, limit);
  const from = Array.from({ length: threads }, (_, p) =>
    p === index ? null : new RingConsumer(rings[p * threads + index]),
  );
  const made = new Array(threads).fill(0);
  const got = new Array(threads).fill(0);
  const result = { full: 0, empty: 0, highest: 0, problems: [] };
  const problem = (text) => {
    if (result.problems.length < 5) result.problems.push(`thread ${index}: ${text}`);
  };

  const produce = () => {
    for (let k = next(40); k > 0; k--) {
      const c = next(threads);
      if (c === index || made[c] === frames) continue;
      const large = next(8) === 0;
      const id = pool.take(index, large ? 9000 : 60);
      if (id < 0) {
        result.empty++;
        return;
      }
      if (pool.homeOf(id) !== index) problem(`slot ${id} is not mine`);
      burst.id[0] = id;
      burst.len[0] = large ? 9000 : 60;
      burst.describe(0, 0, 0, 0, 0);
      const off = pool.offsetOf(id);
      view.setUint32(off, index);
      view.setUint32(off + 4, made[c]);
      if (!producer.append(c, burst, 0, made[c], -1)) {
        result.full++;
        pool.free(index, id);
        continue;
      }
      made[c]++;
      result.highest = Math.max(result.highest, producer.occupancy(c));
      if (made[c] === frames) Atomics.add(sent, index * threads + c, frames);
      if (next(4) === 0) producer.publish(c);
    }
  };
  const publish = () => {
    for (let c = 0; c < threads; c++) if (c !== index && producer.publish(c) > 0) producer.claim(c);
  };
  const consume = () => {
    for (let p = 0; p < threads; p++) {
      if (p === index) continue;
      batch.n = 0;
      const n = from[p].take(batch, 1 + next(64));
      for (let w = 0; w < n; w++) {
        const { id, seq } = batch.frame(w);
        const off = pool.offsetOf(id);
        if (view.getUint32(off) !== p || view.getUint32(off + 4) !== got[p] || seq !== got[p]) {
          problem(
            `frame ${view.getUint32(off + 4)} of ${view.getUint32(off)} where ${got[p]} of ${p} is due`,
          );
        }
        got[p]++;
      }
      from[p].complete(n);
    }
  };
  const finished = () =>
    made.every((n, c) => c === index || n === frames) && got.every((n, p) => p === index || n === frames);

  assemble();
  while (!finished() && result.problems.length === 0) {
    produce();
    publish();
    consume();
    if (next(16) === 0) pool.reclaim(index);
  }
  if (limit < result.highest || capacity < result.highest) problem(`${result.highest} frames waited`);
  return result;
}

/** Increments a plain word under the lock: two holders at once lose increments. */
function lock({ words, counter, rounds }) {
  const native = loadNative();
  const shared = new SharedLock(words, LINE_WORDS, index);
  const yieldThread = native === null ? () => {} : native.yieldThread;
  let taken = 0;
  let refused = 0;
  assemble();
  while (taken < rounds) {
    if (!shared.takeUnlessStuck(250, yieldThread)) {
      refused++;
      continue;
    }
    const before = counter[0];
    if (taken % 512 === 0) native?.yieldThread();
    for (let spin = next(20); spin > 0; spin--) Atomics.load(gate, 0);
    counter[0] = before + 1;
    shared.release();
    taken++;
  }
  return { taken, refused, contended: shared.contended, waitedNs: shared.waitedNs };
}

/**
 * Two threads wake each other, turn by turn. Sleeps last until the wake-up comes, or 20 s: only a lost wake-up
 * takes as long, because the other thread waits for this one.
 */
function pingPong({ words, events, turn, rounds, useNative, spinMaxMs }) {
  const LOST_MS = 20_000;
  const native = useNative ? loadNative() : null;
  let lost = 0;
  const patient =
    native === null
      ? null
      : {
          wait: (event, fds, count) => {
            const start = performance.now();
            native.wait(event, fds, count, LOST_MS);
            if (performance.now() - start >= LOST_MS) lost++;
          },
        };
  const wait = Atomics.wait;
  if (native === null) {
    Atomics.wait = (array, i, value) => {
      const result = wait(array, i, value, LOST_MS);
      if (result === 'timed-out') lost++;
      return result;
    };
  }
  const sleeper = new Sleeper(patient, new ThreadClock(native), words[index], events[index], spinMaxMs);
  const waker = makeWaker(native, words, events);
  const fds = new Int32Array(1);
  const ready = () => Atomics.load(turn, 0) % threads === index;
  let woke = 0;
  assemble();
  while (lost === 0) {
    const at = Atomics.load(turn, 0);
    if (at >= rounds) break;
    if (at % threads !== index) {
      const stop = () => ready() || Atomics.load(turn, 0) >= rounds;
      if (sleeper.tired()) sleeper.sleep(fds, 0, Number.POSITIVE_INFINITY, stop);
      continue;
    }
    sleeper.busy();
    for (let spin = next(400); spin > 0; spin--) Atomics.load(gate, 0);
    Atomics.store(turn, 0, at + 1);
    for (let w = 0; w < threads; w++) if (w !== index && waker.wake(w)) woke++;
    // So that the next turn comes now before this thread looks, now between its look and its sleep, now later.
    for (let spin = next(30_000); spin > 0; spin--) Atomics.load(gate, 0);
  }
  Atomics.wait = wait;
  return { lost, woke, sleeps: sleeper.sleeps, woken: sleeper.woken };
}

const jobs = { exchange, lock, pingPong };
parentPort.postMessage(jobs[job](workerData));
parentPort.close();
