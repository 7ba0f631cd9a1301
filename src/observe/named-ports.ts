/**
 * Ports by their names, for counters that are watched over time.
 *
 * Promise: pure; the counters of a name are those of all ports that had it, so that one that was removed and came back, with
 * another interface behind it perhaps, goes on where it stopped: who takes differences sees no jump and no step back.
 */
import { type PortSummary, summedPort } from '../dataplane/engine/port-summary.js';

export interface NamedPort {
  readonly name: string;
  /** The port of that name that is there; null where it was removed. */
  readonly there: PortSummary | null;
  /** The counters of all that had the name. */
  readonly all: PortSummary;
}

/** The ports that are there first. What stands for removed ports of several names is left out. */
export function namedPorts(ports: readonly PortSummary[]): NamedPort[] {
  const named = new Map<string, NamedPort>();
  const one = ({ removed }: PortSummary) => removed !== true;
  for (const port of [
    ...ports.filter(one),
    ...ports.filter((port) => !one(port) && port.kind !== 'removed'),
  ]) {
    const known = named.get(port.name);
    const there = one(port) ? port : (known?.there ?? null);
    const all = known === undefined ? port : summedPort(port, known.all);
    named.set(port.name, { name: port.name, there, all });
  }
  return [...named.values()];
}
