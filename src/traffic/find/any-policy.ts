/**
 * `findFlows` for a policy in any form.
 *
 * Promise: that of `flows.ts`; loads every kind of policy.
 */
import { type AnyPolicy, toSteering } from '../../policy/experiment.js';
import type { CompileOptions } from '../../policy/steering.js';
import { type FlowQuery, type FoundFlows, findFlows } from './flows.js';

/**
 * Flows that a policy sends to a queue or a worker: for RSS and other linear hashes by linear algebra, else by asking
 * the policy. Each was steered by the policy itself.
 *
 *     flowsTo('rss:nic=ixgbe-82599,queues=16', { queue: 5, count: 3 }).flows.map(({ flow }) => flow)
 *
 * @throws UserError where there is none (after linear algebra that is certain), and see `toSteering`.
 */
export function flowsTo(policy: AnyPolicy, query: FlowQuery, options: CompileOptions = {}): FoundFlows {
  return findFlows(toSteering(policy, options), query);
}
