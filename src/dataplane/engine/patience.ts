/**
 * How long the engine waits for its own threads on this machine, before it takes them for stuck.
 *
 * Promise: what was asked for where Node starts as fast as usual; longer in proportion where it does not (an emulated or a
 * starved machine), thirty times at most. Constant in a process.
 */
import { performance } from 'node:perf_hooks';

/** What Node needs at most until its first script runs, on machines that are called usual, in milliseconds. */
const USUAL_MS = 150;
const MOST = 30;

/** Milliseconds to wait on a machine on which Node took `startMs` to start, where `ms` are enough on a usual one. */
export function patience(ms: number, startMs: number = performance.nodeTiming.bootstrapComplete): number {
  return Math.round(ms * Math.min(MOST, Math.max(1, startMs / USUAL_MS)));
}
