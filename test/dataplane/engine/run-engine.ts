/** An engine inside the test process, over memory and capture ports: what a run ended with. */
import { expect } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import type { EngineOptions } from '#rxsteer/dataplane/engine/plan.js';
import { type Summary, summarize } from '#rxsteer/dataplane/engine/summary.js';
import { ringDrained } from '#rxsteer/dataplane/memory/ring.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

export interface RunOptions {
  readonly ports: readonly string[];
  readonly policy?: string | object;
  readonly workers?: number;
  readonly more?: Partial<EngineOptions>;
}

export interface Run {
  readonly summary: Summary;
  readonly warnings: string[];
  readonly failure: Error | null;
}

/**
 * Slots and backlogs for all frames of a test, so that no schedule of threads, however odd, has any dropped: a ring may
 * have three eighths of a worker's slots when nothing else is under way. Untouched memory costs addresses only.
 */
export const ROOMY = { smallFrames: 1 << 18, backlog: 1 << 17 } as const;

export function engineOptions(run: RunOptions, warnings: string[] = []): EngineOptions {
  const { ports, policy = 'rss', workers = 1, more = {} } = run;
  return {
    ports: ports.map(parsePort),
    policy: parsePolicy(policy, { command: 'forward', workers }),
    policyText: typeof policy === 'string' ? policy : JSON.stringify(policy),
    workers,
    cpus: [],
    backlog: 4096,
    smallFrames: 4096,
    largeFrames: 256,
    spinMaxUs: 20,
    switching: { ageingSeconds: 300, learnLimit: 4096, fdb: [] },
    fault: null,
    warn: (message) => warnings.push(message),
    ...more,
  };
}

/** Runs until the finite sources are drained or the engine fails, then stops it. */
export async function runEngine(run: RunOptions): Promise<Run> {
  const warnings: string[] = [];
  const engine = await Engine.start(engineOptions(run, warnings));
  await Promise.race([engine.drained, engine.failed]);
  await engine.stop();
  // An orderly stop: nothing was given up on.
  expect(engine.views.rings.every(ringDrained)).toBe(true);
  return { summary: summarize(engine), warnings, failure: engine.failure };
}

export const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
