/**
 * Compiles a policy and loads no other kind: `compilePolicy` for who is in a hurry.
 *
 * Promise: what `compilePolicy` gives (a test compares). Loading all policies takes as long as replaying half a
 * million packets.
 */
import { compileContext } from './compile-context.js';
import type { PolicySpec } from './spec.js';
import type { CompileOptions, Steering } from './steering.js';

/** @throws UserError as `compilePolicy` does. */
export async function compileAlone(spec: PolicySpec, options: CompileOptions = {}): Promise<Steering> {
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
