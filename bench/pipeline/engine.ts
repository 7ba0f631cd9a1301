/**
 * The pipeline in the engine, as a program for `Contestant`: a memory source at worker 0, every frame steered to
 * worker 1, a memory sink there. Nothing in it is made for the bench but the ports' options.
 *
 * `engine.js JSON` with order, ledger, flows, frames and rate (0 = as fast as it goes).
 */

import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { engineDefaults } from '#rxsteer/dataplane/engine/plan.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import {
  bucketValue,
  latencyPercentile,
  readLatency,
  readLatencySlices,
} from '#rxsteer/dataplane/memory/latency.js';
import type { MemoryData } from '#rxsteer/dataplane/ports/memory/data.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { serveWindows } from '../lab/windows.js';

/** What the suite asks of a pipeline. */
export interface PipelineRequest {
  readonly order: 'none' | 'linux' | 'strict';
  readonly ledger: boolean;
  readonly flows: number;
  /** Slots of worker 0. */
  readonly frames: number;
  readonly rate: number;
  /** Stamps and the latency sink, also at full rate; a rate has them in any case. */
  readonly stamped?: boolean;
}

const WORKERS = 2;
const TABLE = 128;
const WARM_MS = 1500;
/** Looks at whether the source has caught up, at most so often. */
const SETTLES = 60;
const SETTLE_MS = 20;
const SETTLED_NS = 5e6;

const request = JSON.parse(process.argv[2] ?? '{}') as PipelineRequest;
const paced = request.rate > 0;
const stamped = paced || request.stamped === true;
const pace = paced ? `,rate=${request.rate},burst=32` : '';
const source = `a=memory:source,flows=${request.flows}${pace}${stamped ? ',stamp=on' : ''}`;
const entries = new Array<number>(TABLE).fill(1);
const policy = { policy: 'rss', queues: WORKERS, entries, stage: 'cpu', order: request.order };
const engine = await Engine.start({
  ...engineDefaults,
  ports: [parsePort(source), parsePort(`b=memory:sink${stamped ? ',latency=on' : ''}`)],
  policy: parsePolicy(policy, { command: 'forward', workers: WORKERS }),
  policyText: 'rss, everything to worker 1',
  workers: WORKERS,
  cpus: [0, 1],
  // Where latency is measured nothing must be dropped while the machine takes a CPU away: it would be missing.
  backlog: paced ? 16_384 : 4096,
  smallFrames: WORKERS * (paced ? 65_536 : request.frames),
  largeFrames: 256,
  // Spinning, as the programs beside it do: sleeping would be measured instead.
  spinMaxUs: 100_000,
  watches: request.ledger,
});
await new Promise((resolve) => setTimeout(resolve, WARM_MS));

const counters = engine.views.counters.worker[1]!;
const shared = (engine.plan.ports[1]!.data as MemoryData).latency;
let since: Float64Array | undefined;
let sinceNs = 0;
/** CLOCK_MONOTONIC, as the sink's. */
const monotonic = () => Number(process.hrtime.bigint());
const sleepWord = new Int32Array(new SharedArrayBuffer(4));
const before = () => {
  // This thread reads clocks and counts as text; what that leaves is collected now, so that a collection in the
  // measured time is one of a worker's.
  globalThis.gc?.();
  if (shared === null || request.rate === 0) return;
  // After a pause the source catches up, up to 250 ms; that is not the pipeline's latency.
  for (let k = 0; k < SETTLES; k++) {
    since = readLatency(shared);
    Atomics.wait(sleepWord, 0, 0, SETTLE_MS);
    if (latencyPercentile(readLatency(shared, since), 0.9) < SETTLED_NS) break;
  }
  since = readLatency(shared);
  sinceNs = monotonic();
};
const more = () => {
  const { totals } = summarize(engine);
  const latency: number[][] = [];
  const slices: number[][] = [];
  if (shared !== null && request.rate > 0) {
    readLatency(shared, since).forEach((count, bucket) => {
      if (count > 0) latency.push([bucketValue(bucket), count]);
    });
    for (const counts of readLatencySlices(shared, sinceNs, monotonic())) {
      slices.push([0.5, 0.99, 0.999].map((p) => latencyPercentile(counts, p)));
    }
  }
  return { dropped: totals.dropped.backlog, reordered: totals.reordered, latency, slices };
};
await serveWindows(WORKERS, () => counters[WorkerCounter.delivered]!, before, more);
await engine.stop();
