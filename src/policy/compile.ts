/**
 * From a validated policy to a steering function.
 *
 * Promise: what depends on the number of workers and on the ports is checked here; a compiled policy never fails
 * later. Called once a worker thread; instances of one policy with the same `shared` memory agree.
 */
import { inArea } from '../errors.js';
import { OwnerTable, ownerTableBytes } from '../mac/owner-table.js';
import { compileContext } from './compile-context.js';
import { MacSteering, macHighestWorker } from './mac.js';
import { MacHashSteering } from './mac-hash.js';
import { PoolsSteering } from './pools.js';
import { RfsSteering, rfsSharedWords } from './rfs.js';
import { RoundRobinSteering } from './round-robin.js';
import { RpsSteering } from './rps.js';
import { RssSteering, rssQueues } from './rss.js';
import { buildNicModel } from './rss-nic.js';
import { SingleSteering } from './single.js';
import type { PolicySpec } from './spec.js';
import type { CompileOptions, Steering } from './steering.js';
import { UserSteering } from './user.js';

/** Workers where nobody says: highest CPU id named + 1, else queues, else 1. */
export function defaultWorkers(spec: PolicySpec): number {
  switch (spec.policy) {
    case 'rps':
    case 'rfs':
      return Math.max(...spec.cpus) + 1;
    case 'mac':
      return Math.max(macHighestWorker(spec) + 1, 1);
    case 'rss':
      return (rssQueues(spec) ?? 1) * (spec.tcs ?? 1);
    case 'mac-hash':
      return spec.queues ?? 1;
    default:
      return 1;
  }
}

/** Bytes of shared memory that all workers of a forwarder must be given as `shared`; 0 for most policies. */
export function policyBytes(spec: PolicySpec): number {
  if (spec.policy === 'mac') return ownerTableBytes(spec.guests);
  return spec.policy === 'rfs' ? 4 * rfsSharedWords(spec) : 0;
}

/** The control thread's view of the owner table in a `mac` policy's shared memory; null for other policies. */
export function ownersIn(spec: PolicySpec, shared: SharedArrayBuffer, workers: number): OwnerTable | null {
  if (spec.policy !== 'mac') return null;
  const { guests, guestsPerPort, age } = spec;
  return new OwnerTable(shared, { workers, guests, guestsPerPort, ageingSeconds: age });
}

/** After the death of a worker: frees what it may have held in the policy's shared memory. Supervising thread. */
export function recoverPolicy(
  spec: PolicySpec,
  shared: SharedArrayBuffer,
  workers: number,
  dead: number,
): void {
  ownersIn(spec, shared, workers)?.recover(dead);
}

/** @throws UserError where the policy asks for what the workers, ports or NIC do not have. */
export function compilePolicy(spec: PolicySpec, options: CompileOptions = {}): Steering {
  return inArea('RXS_POLICY', () => compileOf(spec, options));
}

function compileOf(spec: PolicySpec, options: CompileOptions): Steering {
  const context = compileContext(options, options.workers ?? defaultWorkers(spec));
  switch (spec.policy) {
    case 'single':
      return new SingleSteering(spec, context);
    case 'rss':
      return new RssSteering(spec, context, buildNicModel);
    case 'rps':
      return new RpsSteering(spec, context);
    case 'rfs':
      return new RfsSteering(spec, context);
    case 'js':
      return new UserSteering(spec, context);
    case 'mac':
      return new MacSteering(spec, context);
    case 'pools':
      return new PoolsSteering(spec, context);
    case 'mac-hash':
      return new MacHashSteering(spec, context);
    case 'round-robin':
      return new RoundRobinSteering(spec, context);
  }
}
