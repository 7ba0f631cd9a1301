/**
 * The metrics of a running forwarder, as asked for now.
 *
 * Promise: reads counters only; the workers notice nothing. The main thread is busy for a third of a millisecond; a pool of
 * hundreds of thousands of frames, or thousands of hand-off pairs, take longer. Main thread.
 */
import { fullestOverFair } from '../policy/spread.js';
import { type MetricFacts, metricsText } from './metrics.js';
import type { Recorder } from './recorder.js';

/** What Prometheus wants to be told of the format. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function scrape(recorder: Recorder, version: string): string {
  const { engine, guests } = recorder;
  const { user, system } = process.cpuUsage();
  const facts: MetricFacts = {
    version,
    startTime: (performance.timeOrigin + engine.startedAt) / 1000,
    down: new Set(
      engine.plan.ports
        .filter(({ index, removed }) => {
          const live = removed ? undefined : engine.live(index);
          return live !== undefined && (live.state !== 'up' || !live.carrier);
        })
        .map(({ name }) => name),
    ),
    imbalance: imbalanceOf(recorder),
    guests: guests.list().map((guest) => ({ ...guest, workers: recorder.workersOf(guest) })),
    otherGuests: guests.other,
    process: { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() },
  };
  return metricsText(recorder.summary(), facts);
}

/** Of the last row, over the workers that ran then. */
function imbalanceOf({ engine, workers, next }: Recorder): number | null {
  const row = next - 1;
  if (row < 0) return null;
  const load = [...workers.present(row)]
    .filter(({ key }) => Number(key) < engine.plan.active)
    .map(({ place }) => workers.at(place, 1, row));
  return load.some((processed) => processed > 0) ? fullestOverFair(load) : null;
}
