/** Engines in the test process that are changed while frames flow. */
import { expect } from 'vitest';
import type { ChangeReport } from '#rxsteer/dataplane/engine/changes.js';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import type { EngineOptions } from '#rxsteer/dataplane/engine/plan.js';
import { type Summary, summarize } from '#rxsteer/dataplane/engine/summary.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { PolicySpec } from '#rxsteer/policy/spec.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { engineOptions, ROOMY, type RunOptions } from './run-engine.js';

export function policy(text: string | object, workers = 2): PolicySpec {
  return parsePolicy(text, { command: 'forward', workers });
}

export interface LiveRun {
  readonly engine: Engine;
  readonly warnings: string[];
  /** Resolves when so many more frames have been received: the change before was made under load. */
  flow(frames?: number): Promise<void>;
  /** Frames that each worker has processed so far. */
  processed(): number[];
}

/**
 * Runs `body` on an engine with endless sources; afterwards everything must have been conserved, nothing dropped
 * except for `drops`, and nothing reordered. There is room for every frame, so that no schedule of
 * threads, however odd, fills a backlog: as many slots as 32-bit offsets permit.
 */
export async function whileRunning(
  run: RunOptions & { readonly more?: Partial<EngineOptions> },
  body: (live: LiveRun) => Promise<void>,
  ...drops: string[]
): Promise<Summary> {
  const warnings: string[] = [];
  const { workers = 2 } = run;
  const more = { backlog: ROOMY.backlog, smallFrames: workers << 17, maxWorkers: 4, ...run.more };
  const engine = await Engine.start(engineOptions({ workers: 2, ...run, more }, warnings));
  try {
    const received = () => summarize(engine).totals.received;
    await body({
      engine,
      warnings,
      async flow(frames = 500) {
        const before = received();
        await expect.poll(received, { timeout: 60_000 * SLOW, interval: 5 }).toBeGreaterThan(before + frames);
      },
      processed: () => summarize(engine).workers.map((worker) => worker.processed),
    });
  } finally {
    await engine.stop();
  }
  expect(engine.failure).toBeNull();
  const summary = summarize(engine);
  expectConservation(summary);
  expectNoDrops(summary, ...(drops as Parameters<typeof expectNoDrops>[1][]));
  expect(summary.totals.reordered).toBe(0);
  return summary;
}

/** The change is complete, and these workers have paused for it. */
export function expectPaused(report: ChangeReport, ...workers: number[]): void {
  expect(report.pending).toEqual([]);
  expect(report.pauses.map(({ worker }) => worker)).toEqual(workers);
  for (const { ms } of report.pauses) expect(ms).toBeGreaterThan(0);
}
