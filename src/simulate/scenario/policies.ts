/**
 * The policies inside a scenario: of NICs, guests' devices, disks (`steer`), changes.
 *
 * Promise: all of them, whatever part of the scenario has them; pure.
 */
import { type GivenPolicy, portablePolicy } from '../../policy/named-file.js';

/** Keys whose value is a policy (or, for disks, another word). */
const KEYS: readonly string[] = ['policy', 'steer'];
/** Not what happens, and it may have any key. */
const OTHER: readonly string[] = ['published'];

function isPolicy(value: unknown): value is GivenPolicy {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}

function mapped(value: unknown, change: (policy: GivenPolicy) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => mapped(one, change));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (OTHER.includes(key)) return [key, inner];
      return [key, KEYS.includes(key) && isPolicy(inner) ? change(inner) : mapped(inner, change)];
    }),
  );
}

/** A copy of a scenario, validated or not, in which each policy is what `change` makes of it. */
export function mapPolicies<S extends object>(scenario: S, change: (policy: GivenPolicy) => unknown): S {
  return mapped(scenario, change) as S;
}

/**
 * What of a scenario's content names a run: what files hold in place of where they lie. Captures are left out: their
 * content is the caller's matter. @throws UserError
 */
export function portableScenario<
  S extends { readonly load: readonly { readonly file?: string | undefined }[] },
>(scenario: S): object {
  const load = scenario.load.map(({ file: _, ...rest }) => rest);
  return mapPolicies({ ...scenario, load }, portablePolicy);
}
