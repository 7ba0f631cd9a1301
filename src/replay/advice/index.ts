/**
 * Advice on captures that were replayed: what would help, and what to type.
 *
 * Promise: one more pass over the files; nothing for standard input, which cannot be read twice. Policies are judged by
 * this traffic only, and tables by traffic that they were not fitted to.
 */
import { compilePolicy } from '../../policy/compile.js';
import type { PolicySpec, RssSpec } from '../../policy/spec.js';
import type { PacketChoice } from '../choice.js';
import type { Advice, ReplayResult } from '../result.js';
import { commandsFor } from './commands.js';
import { gatherFacts } from './gather.js';
import { adviseOn, bothDirections } from './rules.js';

/** Whether there can be advice: captures that can be read a second time, with packets in them. */
export function canAdvise(files: readonly string[], result: ReplayResult): boolean {
  return !files.includes('-') && result.capture.packets > 0 && result.policies.length > 0;
}

/**
 * @param specs the policies of the result, in its order
 * @param best index of the policy whose commands are wanted
 * @param choice which packets count, as in the replay
 * @throws UserError where a capture cannot be read any more.
 */
export async function advise(
  files: readonly string[],
  result: ReplayResult,
  specs: readonly PolicySpec[],
  workers: number | null,
  best: number,
  choice: PacketChoice = {},
  signal?: AbortSignal,
): Promise<Advice[]> {
  const options = workers === null ? {} : { workers };
  const most = Math.max(...result.policies.map((policy) => policy.workers.length));
  const rss = specs.filter((spec): spec is RssSpec => spec.policy === 'rss');
  const queues = Math.max(most, ...result.policies.map((policy) => policy.queues.length));
  const facts = await gatherFacts(files, result.capture.packets, rss, workers, queues, choice, signal);
  const steering = compilePolicy(specs[best]!, options);
  const { capture } = result;
  const isStated =
    capture.incoming + capture.outgoing > 0 || choice.to !== undefined || choice.filter !== undefined;
  const unsure = isStated ? null : bothDirections(facts);
  return [...(unsure === null ? [] : [unsure]), ...adviseOn(facts, most, queues), commandsFor(steering)];
}
