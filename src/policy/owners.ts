/**
 * Owners from one MAC policy to the next.
 *
 * Promise: a guest keeps its owner unless the new policy configures another one, or the owner no longer exists; then
 * it is placed anew, by the new policy's rule. Main thread; both tables may be in use.
 */
import { ANY_VLAN, NO_OWNER } from '../mac/owner-table.js';
import type { MacSteering } from './mac.js';

/** Fills the table of `to`, which has its configured owners already, with those of `from`. */
export function carryOwners(from: MacSteering, to: MacSteering, ports: number): void {
  const { workers } = to;
  for (const { vlan, high, low, worker, port } of from.owners.list()) {
    if (to.owners.find(vlan === ANY_VLAN ? 0 : vlan, high, low) !== NO_OWNER) continue;
    // A configured owner was the old policy's word, not the guest's.
    if (port < 0) continue;
    to.owners.learn(vlan, high, low, port, worker < workers ? worker : NO_OWNER);
  }
  for (let port = 0; port < ports; port++) {
    const owner = from.owners.portOwner(port);
    if (owner < workers && !to.configuresPort(port)) to.owners.setPortOwner(port, owner);
  }
}
