/**
 * Reads and compiles a policy and loads no other kind: `parsePolicy` and `compilePolicy` for who is in a hurry.
 *
 * Promise: what those give (tests compare). Loading all policies takes as long as replaying half a
 * million packets.
 */
import { inAreaOf } from '../errors.js';
import { compileContext } from './compile-context.js';
import { parsePlain } from './plain.js';
import type { PolicySpec } from './spec.js';
import type { CompileOptions, Steering } from './steering.js';

/** What `parsePolicy` gives; the schemas are loaded for what is not plain only. @throws UserError */
export async function parseAlone(policy: string | object): Promise<PolicySpec> {
  if (typeof policy === 'object' && 'text' in policy && 'order' in policy) return policy as PolicySpec;
  const plain = typeof policy === 'string' ? parsePlain(policy) : null;
  return plain ?? (await import('./parse.js')).parsePolicy(policy);
}

/** Whether a policy insists on the addon's hash kernels. Values are the same with them. */
export function insistsOnNative(spec: PolicySpec): boolean {
  return 'implementation' in spec && spec.implementation === 'native';
}

/** @throws UserError as `compilePolicy` does. */
export function compileAlone(spec: PolicySpec, options: CompileOptions = {}): Promise<Steering> {
  return inAreaOf('RXS_POLICY', compiled(spec, options));
}

async function compiled(spec: PolicySpec, options: CompileOptions): Promise<Steering> {
  if (spec.policy === 'single') {
    const { SingleSteering } = await import('./single.js');
    return new SingleSteering(spec, compileContext(options, options.workers ?? 1));
  }
  if (spec.policy === 'rps') {
    const { RpsSteering } = await import('./rps.js');
    return new RpsSteering(spec, compileContext(options, options.workers ?? Math.max(...spec.cpus) + 1));
  }
  if (spec.policy === 'rss') {
    const { needsNicModel, RssSteering, rssQueues } = await import('./rss.js');
    if (!needsNicModel(spec)) {
      return new RssSteering(spec, compileContext(options, options.workers ?? rssQueues(spec) ?? 1));
    }
  }
  const { compilePolicy } = await import('./compile.js');
  return compilePolicy(spec, options);
}
