/**
 * A ring between two worker threads, as a program for `Contestant`: `side.js words` = items of 4 bytes, `side.js frames` =
 * the engine's own backlog ring with its descriptors of 32 bytes, slot numbers and all of its indices, filled by a loop of
 * the benchmark (`append.ts`), `side.js handover` = the same filled by the dispatcher's loop, which does more for each
 * frame.
 */
import { Worker } from 'node:worker_threads';
import { allocateShared, Carver, LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { carveRings, type RingMemory } from '#rxsteer/dataplane/memory/ring.js';
import { serveWindows } from '../lab/windows.js';

export type RingKind = 'words' | 'frames' | 'handover';

export interface RingRequest {
  readonly kind: RingKind;
  readonly side: 'producer' | 'consumer';
  readonly index: Int32Array;
  readonly entries: Int32Array;
  /** The rings of worker 0. */
  readonly rings: readonly RingMemory[];
  /** Items taken so far, and something of them. */
  readonly count: Float64Array;
}

const ITEMS = 4096;
/** Slots that the frames name: as many as a worker has in flight in the pipeline. */
const SLOTS = 2048;
const WARM_MS = 500;

const kind = process.argv[2] as RingKind;
const shared = (words: number) => new Int32Array(new SharedArrayBuffer(4 * words));
const carve = (carver: Carver) => carveRings(carver, 2, ITEMS, SLOTS);
const common = {
  kind,
  index: shared(3 * LINE_WORDS),
  entries: shared(ITEMS),
  rings: carve(new Carver(allocateShared(carve))),
  count: new Float64Array(new SharedArrayBuffer(8 * 2 * LINE_WORDS)),
} as const;
for (const side of ['producer', 'consumer'] as const) {
  const workerData: RingRequest = { ...common, side };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
  worker.on('error', (error) => {
    throw error;
  });
  worker.unref();
}
await new Promise((resolve) => setTimeout(resolve, WARM_MS));
await serveWindows(
  2,
  () => common.count[0]!,
  () => {},
  () => ({}),
);
// Both threads run for ever.
process.kill(process.pid, 'SIGKILL');
