/** Requests for back ends, on made hosts. */
import type { Compiled, Request } from '#rxsteer/compile/back-end.js';
import { backEnd } from '#rxsteer/compile/back-ends.js';
import { NOWHERE, placeOf, requestOf } from '#rxsteer/compile/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { FakeHost } from '../host/fake-host.js';

/** A policy for a device of a made host, or for none. */
export async function requested(
  policy: string | object,
  host: FakeHost | null = null,
  device = 'eth0',
  workers?: number,
): Promise<Request> {
  const place = host === null ? NOWHERE : placeOf(await host.read(1), device);
  return requestOf(parsePolicy(policy), place, workers);
}

/** In a target's words. */
export async function compiled(
  target: string,
  policy: string | object,
  host: FakeHost | null = null,
  device = 'eth0',
): Promise<Compiled> {
  const back = await backEnd(target);
  return back.emit(await requested(policy, host, device));
}

/** What of a policy is lost, in a few words each. */
export function lost({ cannot }: Compiled): string[] {
  return cannot.map(({ what }) => what);
}
