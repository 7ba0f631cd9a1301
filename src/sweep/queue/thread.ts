/**
 * A thread of a worker: replays captures or runs a scenario.
 *
 * Promise: never throws: what goes wrong is in the answer. What a kind of job needs is loaded with the first of it.
 */
import type { ScenarioCell } from '../scenario-grid.js';
import type { ScenarioAnswer } from '../scenario-worker.js';
import type { SweepAnswer, SweepTask } from '../worker.js';

export type ThreadTask = { readonly task: SweepTask } | { readonly cell: ScenarioCell };

export default async function runTask(given: ThreadTask): Promise<SweepAnswer | ScenarioAnswer> {
  if ('task' in given) return (await import('../worker.js')).default(given.task);
  return (await import('../scenario-worker.js')).default(given.cell);
}
