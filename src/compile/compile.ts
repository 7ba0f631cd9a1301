/**
 * Compiles a policy for a target.
 *
 * Promise: reads the host (only where a device is named) and changes nothing. The policy itself is compiled first, so that
 * what is wrong with it is said as everywhere.
 */
import { UserError } from '../errors.js';
import { liveAsker } from '../host/ask/asker.js';
import type { Host } from '../host/host.js';
import { readHost } from '../host/read-host.js';
import { LiveSource } from '../host/source/live.js';
import { compilePolicy, defaultWorkers } from '../policy/compile.js';
import type { PolicySpec } from '../policy/spec.js';
import type { Compiled, Place, Request } from './back-end.js';
import { backEnd } from './back-ends.js';

/** Reads the running host, once. */
export function readThisHost(): Promise<Host> {
  return readHost(new LiveSource(liveAsker()), {
    role: null,
    second: async () => null,
    now: () => performance.now(),
  });
}

/** Where a device of a host is. @throws UserError where it has none of that name */
export function placeOf(host: Host, device: string): Place {
  const now = host.devices.find(({ name }) => name === device) ?? null;
  if (now === null) {
    const names = host.devices.map(({ name }) => name).join(', ') || 'none';
    throw new UserError(`--dev ${device}: ${host.source} has no such device; devices: ${names}`, {
      code: 'RXS_NO_INTERFACE',
    });
  }
  return { device, host, now };
}

/** No device is named. */
export const NOWHERE: Place = { device: null, host: null, now: null };

/** A request for a back end. @throws UserError */
export function requestOf(spec: PolicySpec, place: Place, workers?: number): Request {
  const steering = compilePolicy(spec, { workers: workers ?? defaultWorkers(spec) });
  return { ...place, spec, steering };
}

/** The policy in the target's words. @throws UserError, Inexpressible */
export async function compileFor(
  target: string,
  spec: PolicySpec,
  place: Place = NOWHERE,
  workers?: number,
): Promise<Compiled> {
  const back = await backEnd(target);
  return back.emit(requestOf(spec, place, workers));
}
