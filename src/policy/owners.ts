/**
 * Owners from one MAC policy to the next.
 *
 * Promise: a guest keeps its owner unless the new policy configures another one, or the owner no longer exists; then
 * it is placed anew, by the new policy's rule. Set-up only: it takes the tables' insert word.
 */
import { formatMac, parseMac } from '../mac/address.js';
import { ANY_VLAN } from '../mac/owner-table.js';
import type { MacSteering } from './mac.js';
import type { MacSpec } from './spec.js';

/** A guest and its owner, as control and statistics tell it. */
export interface GuestOwner {
  /** Lower case with colons. */
  readonly mac: string;
  /** VLAN id, 0 for untagged; null = on every VLAN. */
  readonly vlan: number | null;
  readonly worker: number;
  /** Index of the port it was learned on; null for configured ones. */
  readonly port: number | null;
}

/** The guests in a policy's table. */
export function listOwners(steering: MacSteering): GuestOwner[] {
  return [...steering.owners.entries()].map(({ vlan, high, low, worker, port }) => ({
    mac: formatMac(high, low),
    vlan: vlan === ANY_VLAN ? null : vlan,
    worker,
    port: port < 0 ? null : port,
  }));
}

const placeOf = ({ mac, vlan, worker, port }: GuestOwner) => ({
  ...parseMac(mac, 'owner'),
  ...{ vlan: vlan ?? ANY_VLAN, worker, port: port ?? -1 },
});

/** Fills a fresh table with the owners that a running one has: also those that were set by hand. */
export function restoreOwners(steering: MacSteering, owners: readonly GuestOwner[]): void {
  for (const guest of owners) {
    const entry = placeOf(guest);
    if (entry.worker >= steering.workers) continue;
    steering.owners.adopt(entry);
    // A configured one may have been moved since.
    steering.owners.move(entry.vlan, entry.high, entry.low, entry.worker);
  }
}

/**
 * Fills the table of `to`, which has its configured owners already, with the guests of a policy before it: those that
 * were learned or set by hand. What the old policy configured was its own word and goes with it.
 */
export function carryOwners(to: MacSteering, owners: readonly GuestOwner[], old: MacSpec): void {
  const configured = new Set(old.owners.map(({ mac, vlan }) => `${lowerMac(mac)}/${vlan ?? null}`));
  for (const guest of owners) {
    if (guest.port === null && configured.has(`${guest.mac}/${guest.vlan}`)) continue;
    to.owners.adopt(placeOf(guest));
  }
}

/** The address as lists have it. */
export function lowerMac(mac: string): string {
  const { high, low } = parseMac(mac, 'owner');
  return formatMac(high, low);
}
