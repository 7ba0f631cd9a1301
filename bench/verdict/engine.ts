/**
 * One run of `flow-vs-mac` as a process of its own: a source with one receive queue a worker, a switch, one port with a
 * single transmit queue for each guest. `engine.js JSON`; prints one JSON object.
 *
 * Throughput: a finite number of frames as fast as they are taken, until the last has arrived; the fullest worker ends
 * last, so an uneven placement costs what it would cost. Latency: a constant rate.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { engineDefaults } from '#rxsteer/dataplane/engine/plan.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { latencyPercentile, readLatency } from '#rxsteer/dataplane/memory/latency.js';
import type { MemoryData } from '#rxsteer/dataplane/ports/memory/data.js';
import { guestMac } from '#rxsteer/dataplane/ports/memory/templates.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { type Mix, type PolicyName, policyOf, type Stage } from './mixes.js';

export interface RunRequest {
  readonly mix: Mix;
  readonly stage: Stage;
  readonly policy: PolicyName;
  readonly workers: number;
  readonly packets: number;
  /** Frames a second; 0 = as fast as they are taken. */
  readonly rate: number;
  /** Entries of the indirection table of rss; null = as it comes. */
  readonly table: number | null;
}

export interface RunAnswer {
  readonly packetsPerSecond: number;
  /** CPU time of all workers a packet. */
  readonly cpuNs: number;
  readonly handoffs: number;
  readonly wakeups: number;
  /** Failed tries to take a guest's queue, and nanoseconds waited for it, a packet. */
  readonly contended: number;
  readonly waitedNs: number;
  /** Mean over the guests. */
  readonly workersPerGuest: number;
  readonly reordered: number;
  readonly dropped: number;
  /** p50, p99, p99.9 in nanoseconds; null at full rate. */
  readonly latency: readonly [number, number, number] | null;
}

/** Slots a worker: fewer than a ring holds, so that a slow worker makes the others wait instead of dropping. */
const FRAMES = 2048;
const GIVE_UP_MS = 30_000;

const request = JSON.parse(process.argv[2] ?? '{}') as RunRequest;
const { mix, workers, packets, rate } = request;
const timed = rate > 0;
const options = [
  `flows=${mix.guests * mix.flowsPerGuest}`,
  `guests=${mix.guests}`,
  `size=${mix.size}`,
  `queues=${workers}`,
  `elephant=${mix.elephant}`,
  `share=${mix.share}`,
  `packets=${packets}`,
  ...(timed ? [`rate=${rate}`, 'burst=32', 'stamp=on'] : []),
];
const guestPort = (g: number) =>
  mix.path === 'tap'
    ? `g${g}=tap:guest${g}`
    : `g${g}=memory:sink,queues=1,copy=on${timed ? ',latency=on' : ''}`;
const ports = Array.from({ length: mix.guests }, (_, g) => parsePort(guestPort(g)));
const policy = policyOf(request.policy, request.stage, mix, workers, request.table);
const engine = await Engine.start({
  ...engineDefaults,
  ports: [parsePort(`up=memory:source,${options.join(',')}`), ...ports],
  mode: 'switch',
  policy,
  policyText: policy.text,
  workers,
  cpus: workers <= availableParallelism() ? Array.from({ length: workers }, (_, w) => w) : [],
  smallFrames: workers * FRAMES,
  largeFrames: workers * 128,
  switching: {
    ...engineDefaults.switching,
    fdb: ports.map((_, g) => ({ mac: guestMac(g), vlan: 0, port: g + 1 })),
  },
});
const total = (counter: number) => engine.views.counters.worker.reduce((sum, c) => sum + c[counter]!, 0);
const startedAt = performance.now();
let endedAt = startedAt;
while (total(WorkerCounter.processed) < packets && endedAt - startedAt < GIVE_UP_MS) {
  await sleep(1);
  endedAt = performance.now();
}
await engine.stop();
const { totals, workers: each, ports: counted } = summarize(engine);
const dropped = Object.values(totals.dropped).reduce((sum, count) => sum + count, 0);
const arrived = totals.transmitted + totals.delivered;
const sum = (of: (worker: (typeof each)[number]) => number) =>
  each.reduce((all, worker) => all + of(worker), 0);
const guests = counted.slice(1);
let latency: RunAnswer['latency'] = null;
if (timed && mix.path === 'memory') {
  let counts: Float64Array | null = null;
  for (const { data } of engine.plan.ports) {
    const shared = (data as MemoryData).latency;
    if (shared === null) continue;
    const one = readLatency(shared);
    counts = counts === null ? one : counts.map((count, bucket) => count + one[bucket]!);
  }
  if (counts !== null) {
    const of = (p: number) => latencyPercentile(counts, p);
    latency = [of(0.5), of(0.99), of(0.999)];
  }
}
const answer: RunAnswer = {
  packetsPerSecond: (arrived * 1000) / (endedAt - startedAt),
  cpuNs: (sum(({ cpuMs }) => cpuMs ?? Number.NaN) * 1e6) / arrived,
  handoffs: sum(({ handedOff }) => handedOff) / totals.received,
  wakeups: sum(({ wakeupsSent }) => wakeupsSent) / totals.received,
  contended: sum(({ txLock }) => txLock.contended) / arrived,
  waitedNs: sum(({ txLock }) => txLock.waitedNs) / arrived,
  workersPerGuest:
    guests.reduce((all, { txByWorker }) => all + txByWorker.filter((count) => count > 0).length, 0) /
    guests.length,
  reordered: totals.reordered,
  dropped,
  latency,
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
