/**
 * What of a host nobody could read, by kind of reading: so that a check that found nothing on what it could not see says so.
 *
 * Promise: one entry for each subject and kind, with the first reason. What a running host, or one that the doctor
 * collected, does not have is no gap (a driver without a table has none); what another collection lacks is one, since nobody can
 * tell whether the host had it. Pure.
 */
import { type Fact, known, type Unknown } from './fact.js';
import type { Device, Host } from './host.js';

/** Kinds of readings; those of sysctls are named `sysctl`. */
export type Reading =
  | 'devices'
  | 'queues'
  | 'rps'
  | 'xps'
  | 'flows'
  | 'interrupts'
  | 'affinities'
  | 'channels'
  | 'rss'
  | 'fields'
  | 'features'
  | 'rules'
  | 'counters'
  | 'processes'
  | 'nodes'
  | 'kernel'
  | 'sysctls';

/** A subject and why it could not be read. */
export interface Gap {
  readonly subject: string;
  readonly why: string;
}

/** The first of several facts that is a gap. */
function firstGap(host: Host, facts: readonly Fact<unknown>[]): Unknown | null {
  for (const fact of facts) {
    if (known(fact)) continue;
    const missing = fact as Unknown;
    if (missing.because !== 'absent' || !host.isWhole) return missing;
  }
  return null;
}

/** Facts of a device by kind; several queues are not worth a table, a mask of theirs is not asked of what has no queues. */
const OF_NICS: Readonly<Partial<Record<Reading, (device: Device, host: Host) => readonly Fact<unknown>[]>>> =
  {
    queues: ({ folders }) => [folders],
    rps: ({ rx }) => rx.map(({ rps }) => rps),
    xps: ({ tx }) => (tx.length > 1 ? tx.map(({ xps }) => xps) : []),
    flows: ({ rx }) => rx.map(({ flows }) => flows),
    // Numbers without names say of no queue whose they are.
    interrupts: ({ irqs }, { interrupts }) => (irqs.every(({ role }) => role === null) ? [interrupts] : []),
    affinities: ({ irqs }) => irqs.map(({ cpus }) => cpus),
    channels: ({ channels }) => [channels],
    rss: ({ rss, rx }) => (rx.length > 1 ? [rss] : []),
    fields: ({ fields, rx }) => (rx.length > 1 ? [fields] : []),
    features: ({ features }) => [features],
    rules: ({ rules }) => [rules],
    counters: ({ name }, { counters }) => [
      counters.unreadDevices.get(name) ?? 0,
      ...(counters.statistics.has(name) ? [counters.statistics.get(name)!] : []),
    ],
  };

/** Masks are set on stacked devices too. */
const STACKED: ReadonlySet<Reading> = new Set(['queues', 'rps', 'flows']);

/** The gaps of one kind. */
export function gapsOf(host: Host, reading: Reading): Gap[] {
  const gap = (subject: string, facts: readonly Fact<unknown>[]): Gap[] => {
    const first = firstGap(host, facts);
    return first === null ? [] : [{ subject, why: first.unknown }];
  };
  if (reading === 'devices') return host.unreadDevices.flatMap(({ subject, fact }) => gap(subject, [fact]));
  if (reading === 'processes') return gap('host', [host.processes.read]);
  if (reading === 'nodes') return gap('host', [host.cpus.nodesRead]);
  if (reading === 'kernel') return gap('host', [host.kernel]);
  if (reading === 'sysctls') return gap('host', Object.values(host.sysctls));
  const facts = OF_NICS[reading]!;
  return host.devices
    .filter(({ kind }) => kind === 'nic' || (STACKED.has(reading) && kind !== 'loopback'))
    .flatMap((device) => gap(device.name, facts(device, host)));
}
