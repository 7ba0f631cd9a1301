/**
 * Hash types of fragments, which some NICs have beside those of whole packets.
 *
 * Promise: a NIC that has none is refused in one line. Pure.
 */
import { NicLimit } from '../errors.js';
import { FRAGMENT_TYPES } from '../nic/hash-types.js';
import type { NicProfile } from '../nic/profiles.js';

/** @throws UserError for fragment types of a NIC whose IP types cover fragments. */
export function checkFragmentTypes(
  place: string,
  types: readonly string[] | undefined,
  profile: NicProfile,
): void {
  const found = FRAGMENT_TYPES.find((name) => types?.includes(name) === true);
  if (found === undefined || profile.fragmentRule === 'own') return;
  throw new NicLimit(
    `${place}: types: ${found}: the IP types of ${profile.id} cover fragments; i40e-xl710 has types for them`,
  );
}
