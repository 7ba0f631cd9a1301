/**
 * Guest by guest: where its uplink's interrupts, its vhost or I/O threads and its vCPUs are.
 *
 * Promise: a row for each guest and tap; CPUs are where threads ran last, in brackets where they may run. Pure.
 */
import { known, valueOr } from './fact.js';
import type { Device, Host } from './host.js';
import { formatCpuList, unique } from './lists.js';
import type { Guest } from './read/guests.js';
import type { Thread } from './read/processes.js';
import { below, deviceNamed, nics, nodesOf, rxCpus } from './view.js';

/** A guest behind a tap. */
export interface GuestPath {
  readonly guest: Guest;
  /** Null where the tap is not seen in this namespace. */
  readonly tap: Device | null;
  readonly uplink: Device | null;
  readonly irqCpus: readonly number[];
  /** The threads that move packets: vhost workers, else I/O threads, else the process's first. */
  readonly workers: readonly Thread[];
  readonly vcpus: readonly Thread[];
}

/** The NIC behind a bridge or datapath: the lowest below it. */
export function uplinkOf(host: Host, tap: Device): Device | null {
  const bridge = tap.master === null ? null : deviceNamed(host, tap.master);
  if (bridge === null) return null;
  const ports = [...below(host, bridge), ...host.devices.filter(({ master }) => master === bridge.name)];
  const chain = ports.flatMap((port) => [port, ...below(host, port)]);
  // What a datapath has as ports is behind its own name.
  return chain.find(({ kind }) => kind === 'nic') ?? null;
}

/** All guests and their taps. */
export function guestPaths(host: Host): GuestPath[] {
  return host.guests.flatMap((guest) => {
    const names = unique2([
      ...(known(guest.taps) ? guest.taps.keys() : []),
      ...guest.nics.flatMap(({ ifname }) => ifname ?? []),
    ]);
    const taps = names.flatMap((name) => deviceNamed(host, name) ?? []);
    const workers =
      guest.vhost.length > 0
        ? guest.vhost
        : guest.ioThreads.length > 0
          ? guest.ioThreads
          : guest.main === null
            ? []
            : [guest.main];
    const path = (tap: Device | null): GuestPath => {
      const uplink = tap === null ? null : uplinkOf(host, tap);
      const irqCpus = uplink === null ? [] : valueOr(rxCpus(uplink), []);
      return { guest, tap, uplink, irqCpus, workers, vcpus: guest.vcpus };
    };
    return taps.length === 0 ? [path(null)] : taps.map(path);
  });
}

function unique2(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** CPUs where threads ran last. */
export function lastCpus(threads: readonly Thread[]): number[] {
  return unique(threads.flatMap(({ cpu }) => cpu ?? []));
}

/** `3 (0-7)`. */
function place(threads: readonly Thread[]): string {
  if (threads.length === 0) return '-';
  const allowed = unique(threads.flatMap(({ allowed: list }) => (known(list) ? list : [])));
  return `${formatCpuList(lastCpus(threads)) || '?'} (${formatCpuList(allowed) || '?'})`;
}

export const GUEST_COLUMNS = [
  'guest',
  'tap',
  'uplink',
  'interrupt CPU',
  'vhost or I/O',
  'vCPU',
  'nodes',
] as const;

/** The table's cells. */
export function guestRows(host: Host): string[][] {
  if (nics(host).length + host.guests.length === 0) return [];
  return guestPaths(host).map(({ guest, tap, uplink, irqCpus, workers, vcpus }) => {
    const cpus = [...irqCpus, ...lastCpus(workers), ...lastCpus(vcpus)];
    return [
      guest.name,
      tap?.name ?? '-',
      uplink?.name ?? '-',
      formatCpuList(irqCpus) || '-',
      place(workers),
      place(vcpus),
      nodesOf(host, cpus).join(',') || '-',
    ];
  });
}
