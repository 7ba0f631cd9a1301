/**
 * The named sets of costs.
 *
 * Promise: a set is complete. `origins` says of its figures whether they were measured by others, derived from
 * published rows, fitted (several fit as well), or assumed; `fittedTo` names the rows.
 */
import { unknownName } from '../../errors.js';
import { guestMachines } from './guests.js';
import { modern } from './modern.js';
import { rxsteerVm } from './rxsteer-vm.js';
import type { Costs, PartialCosts } from './schema.js';
import { servers2010 } from './servers-2010.js';
import type { CostSet } from './set.js';

export type { Confidence, CostSet, Origin } from './set.js';

/** All named sets. */
export const COST_SETS: readonly CostSet[] = [modern, ...servers2010, ...guestMachines, rxsteerVm];

/** The set where a scenario names none. */
export const DEFAULT_COSTS = 'modern';

/** @throws UserError for a name that does not exist. */
export function costSet(name: string): CostSet {
  const found = COST_SETS.find((set) => set.name === name);
  if (found === undefined) {
    throw unknownName(
      'set of costs',
      name,
      COST_SETS.map((set) => set.name),
    );
  }
  return found;
}

/** A part over a complete set. */
export function completeCosts(part: PartialCosts, fallback = DEFAULT_COSTS): Costs {
  const { base = fallback, ...given } = part;
  const result: Record<string, unknown> = { ...costSet(base).costs };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const before = result[name];
    result[name] = typeof value === 'object' ? { ...(before as object), ...(value as object) } : value;
  }
  return result as Costs;
}
