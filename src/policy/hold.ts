/**
 * The freeze list worked into a change: what is on it stays on its worker, or the change is refused.
 *
 * Promise: pure. Frozen buckets (and those of frozen flows and guests) keep their queue where both policies share the
 * buckets; frozen guests become configured owners of a new MAC policy. What neither holds is one UserError line.
 */
import { UserError } from '../errors.js';
import { type FlowNames, placeFlows } from './census.js';
import { type Comparison, sharesBuckets, withEntries } from './comparison.js';
import { type FreezeList, isEmpty, isFrozen } from './freeze.js';
import { lowerMac } from './owners.js';
import { RssSteering } from './rss.js';
import type { PolicySpec, RssSpec } from './spec.js';
import type { Steering } from './steering.js';

/** The new policy with everything held that is frozen. @throws UserError for what it cannot hold. */
export function holdFrozen(
  comparison: Comparison,
  to: PolicySpec,
  steering: Steering,
  names: readonly FlowNames[],
  freeze: FreezeList,
): { target: PolicySpec; held: number } {
  if (isEmpty(freeze)) return { target: to, held: 0 };
  const { from, before, running } = comparison;
  if (from instanceof RssSteering && steering instanceof RssSteering && sharesBuckets(from, steering)) {
    const frozen = new Set(freeze.buckets);
    const { bucket } = placeFlows(from, running.flows);
    names.forEach((name, i) => {
      if (bucket[i]! >= 0 && isFrozen(freeze, name)) frozen.add(bucket[i]!);
    });
    const entries = Int32Array.from(steering.table.entries);
    let held = 0;
    for (const at of frozen) {
      const queue = from.table.entries[at];
      if (queue === undefined) {
        throw new UserError(`freeze: bucket ${at}: the table has buckets 0 to ${entries.length - 1}`);
      }
      if (entries[at] === queue) continue;
      entries[at] = queue;
      held++;
    }
    if (held === 0) return { target: to, held };
    const queues = Math.max(steering.queues, from.queues);
    return { target: withEntries(steering.spec as RssSpec, entries, queues), held };
  }
  if (freeze.buckets.size > 0) {
    throw new UserError('freeze: buckets can be held only where hash and table size stay as they are');
  }
  let target = to;
  if (to.policy === 'mac') {
    // The frozen guests' present worker becomes their configured owner, where they have one worker.
    const listed = new Map<string, Set<number>>();
    names.forEach((name, i) => {
      if (name.mac === null || !freeze.macs.has(name.mac)) return;
      listed.set(name.mac, (listed.get(name.mac) ?? new Set<number>()).add(before[i]!));
    });
    const pinned = [...listed].filter(([, workers]) => workers.size === 1);
    const kept = to.owners.filter((owner) => !pinned.some(([mac]) => mac === lowerMac(owner.mac)));
    const added = pinned.map(([mac, workers]) => ({ mac, worker: [...workers][0]! }));
    target = { ...to, owners: [...kept, ...added] };
  }
  const after = comparison.after(target, comparison.compileTarget(target));
  names.forEach((name, i) => {
    if (!isFrozen(freeze, name) || !comparison.moves(target, after, i)) return;
    const what = freeze.flows.has(name.flow) ? `flow ${name.flow}` : `guest ${name.mac}`;
    throw new UserError(
      `freeze: ${what} would move from worker ${before[i]} to ${after[i]}, and ${to.policy} cannot hold it`,
    );
  });
  const firstAfter = comparison.after(to, steering);
  const wouldMove = names.filter((name, i) => isFrozen(freeze, name) && comparison.moves(to, firstAfter, i));
  return { target, held: new Set(wouldMove.map((name) => name.mac)).size };
}
