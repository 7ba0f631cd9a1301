/**
 * Both outcomes where a policy assumes something of its NIC's UDP hashing.
 *
 * Promise: a policy that assumes nothing costs nothing. The twin of one that does is the same policy with UDP hashed the
 * other way; it runs in the same pass. Pure.
 */
import type { HashTypeName } from '../nic/hash-types.js';
import { nicProfile } from '../nic/profiles.js';
import type { PolicySpec } from '../policy/spec.js';
import { policyAssumptions } from '../policy/warnings.js';
import type { PolicyResult } from './result.js';

/** Types that are hashed, or not, by assumption. */
function assumedUdp(spec: PolicySpec): readonly HashTypeName[] {
  if (spec.policy !== 'rss' || spec.assumed === undefined) return [];
  return spec.assumed.flatMap(({ types }) => types).filter((type) => type.startsWith('udp-'));
}

/** The policy with UDP hashed the other way; null where nothing is assumed of it. */
export function udpTwin(spec: PolicySpec): PolicySpec | null {
  const open = assumedUdp(spec);
  if (spec.policy !== 'rss' || open.length === 0) return null;
  const types = spec.types ?? nicProfile(spec.nic).types;
  const kept = types.filter((type) => !open.includes(type));
  const { assumed: _, ...rest } = spec;
  return { ...rest, types: [...kept, ...open.filter((type) => !types.includes(type))] };
}

/** The result with what is assumed about packets that are there, and the twin's outcome where there is UDP among them. */
export function withAssumed(result: PolicyResult, spec: PolicySpec, twin: PolicyResult | null): PolicyResult {
  if (spec.policy !== 'rss' || spec.assumed === undefined) return result;
  const seen = new Set(
    [result, twin].flatMap((one) =>
      Object.entries(one?.hashTypes ?? {}).flatMap(([type, packets]) => (packets > 0 ? [type] : [])),
    ),
  ) as ReadonlySet<HashTypeName>;
  const assumed = policyAssumptions(spec, [...seen]);
  const open = assumedUdp(spec);
  if (twin === null || !open.some((type) => seen.has(type))) return { ...result, assumed };
  const isByPorts = open.some((type) => (spec.types ?? []).includes(type));
  const { queues, fullestOverFair, gini } = twin;
  const what = isByPorts ? 'UDP hashed by addresses only' : 'UDP hashed by addresses and ports';
  return { ...result, assumed, otherwise: { what, queues, fullestOverFair, gini } };
}

/** One line for standard error and the report; null where nothing of weight is assumed. */
export function assumedWarning({ policy, assumed, otherwise, fullestOverFair }: PolicyResult): string | null {
  const [first] = assumed;
  if (otherwise === null || first === undefined) return null;
  const outcomes = `fullest/fair ${fullestOverFair.toFixed(2)}, and ${otherwise.fullestOverFair.toFixed(2)} with ${otherwise.what}`;
  return `policy ${policy}: ${first}; ${outcomes}`;
}
