/**
 * A validated policy as a file would say it.
 *
 * Promise: parsing the result gives a policy that steers alike; what was read from other files is in it. Pure.
 */
import { defaultOrder, defaultStage, type PolicyContext, type PolicySpec, schemas } from './spec.js';

/** What a spec has that no file says: it is what files were read for. */
const READ_KEYS = ['ethtool'];

/** The keys that differ from their defaults, behind `policy`. */
export function policyObject(spec: PolicySpec, context: PolicyContext): Record<string, unknown> {
  const { shape } = schemas[spec.policy];
  const defaults = schemas[spec.policy].partial().safeParse({ policy: spec.policy }).data ?? {};
  const given = spec as unknown as Record<string, unknown>;
  const result: Record<string, unknown> = { policy: spec.policy };
  for (const key of Object.keys(shape)) {
    const value = given[key];
    if (key === 'policy' || value === undefined || READ_KEYS.includes(key)) continue;
    if (key === 'order' && value === defaultOrder(spec.policy, context)) continue;
    if (key === 'stage' && value === defaultStage(spec.policy, context)) continue;
    if (JSON.stringify(value) === JSON.stringify((defaults as Record<string, unknown>)[key])) continue;
    result[key] = value;
  }
  return result;
}
