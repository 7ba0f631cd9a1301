/**
 * What commands make of a host: facts to facts.
 *
 * Promise: each gives the host as it would be read after the command, as far as facts tell; a name that the host does not
 * have changes nothing. Where a command leaves something to the driver (the CPUs of new queues), it is what drivers do.
 * Pure.
 */
import type { Rule } from './ask/ethtool-facts.js';
import { known } from './fact.js';
import type { Device, Host } from './host.js';
import type { RxQueue } from './read/devices.js';
import type { Guest } from './read/guests.js';
import type { Thread } from './read/processes.js';
import type { GuestNic } from './read/qemu-line.js';
import { nearCpus } from './view.js';

/** The host after a command. */
export type Effect = (host: Host) => Host;

/** All of them, one after the other. */
export function after(host: Host, effects: readonly Effect[]): Host {
  return effects.reduce((now, effect) => effect(now), host);
}

function ofDevice(name: string, change: (device: Device, host: Host) => Device): Effect {
  return (host) => ({
    ...host,
    devices: host.devices.map((device) => (device.name === name ? change(device, host) : device)),
  });
}

/** RPS of a queue. */
export function rps(device: string, queue: number, cpus: readonly number[]): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    rx: one.rx.map((rx) => (rx.queue === queue ? { ...rx, rps: cpus } : rx)),
  }));
}

/** XPS of a queue. */
export function xps(device: string, queue: number, cpus: readonly number[]): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    tx: one.tx.map((tx) => (tx.queue === queue ? { ...tx, xps: cpus } : tx)),
  }));
}

/** Where an interrupt goes: to one CPU of the list, as on x86. */
export function affinity(irq: number, cpus: readonly number[]): Effect {
  return (host) => ({
    ...host,
    devices: host.devices.map((device) =>
      device.irqs.some((one) => one.irq === irq)
        ? {
            ...device,
            irqs: device.irqs.map((one) =>
              one.irq === irq ? { ...one, asked: cpus, cpus: cpus.slice(0, 1) } : one,
            ),
          }
        : device,
    ),
  });
}

function resized<T>(list: readonly T[], count: number, make: (queue: number) => T): T[] {
  return Array.from({ length: count }, (_, queue) => list[queue] ?? make(queue));
}

const rxQueue = (queue: number): RxQueue => ({ queue, rps: [], flows: 0 });

/** Channels; the interrupts and XPS masks of new ones name the CPUs near the device, in turn. */
export function channels(device: string, kind: 'combined' | 'rx', count: number): Effect {
  return ofDevice(device, (one, host) => {
    const near = nearCpus(host, one);
    const has = new Set(
      one.irqs.flatMap(({ role }) => (role === null || role.type === 'tx' ? [] : [role.queue])),
    );
    const missing = Array.from({ length: count }, (_, queue) => queue).filter((queue) => !has.has(queue));
    const added = missing.map((queue) => {
      const cpus = [near[queue % near.length]!];
      const action = `${one.name}-${queue}`;
      const type = kind === 'combined' ? ('both' as const) : ('rx' as const);
      return {
        irq: -1 - queue,
        action,
        actions: [action],
        chip: '',
        role: { type, queue },
        cpus,
        asked: cpus,
        hint: [],
      };
    });
    return {
      ...one,
      channels: known(one.channels) ? { ...one.channels, [kind]: count } : one.channels,
      rx: resized(one.rx, count, rxQueue),
      tx:
        kind === 'rx'
          ? one.tx
          : resized(one.tx, count, (queue) => ({ queue, xps: [near[queue % near.length]!] })),
      rss: known(one.rss) ? { ...one.rss, entries: one.rss.entries.map((_, i) => i % count) } : one.rss,
      irqs: [...one.irqs.filter(({ role }) => role === null || role.queue < count), ...added],
    };
  });
}

/** An indirection table that gives the first queues as many buckets each. */
export function table(device: string, queues: number): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    rss: known(one.rss) ? { ...one.rss, entries: one.rss.entries.map((_, i) => i % queues) } : one.rss,
  }));
}

/** Descriptors of a receive ring. */
export function ring(device: string, rx: number): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    rings: known(one.rings) ? { ...one.rings, rx } : one.rings,
  }));
}

/** A flow rule more. */
export function rule(device: string, added: Pick<Rule, 'location' | 'queue' | 'words'>): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    rules: [...(known(one.rules) ? one.rules : []), { context: null, contextExists: null, ...added }],
  }));
}

function ofGuests(change: (guest: Guest) => Guest): Effect {
  return (host) => ({ ...host, guests: host.guests.map(change) });
}

/** CPUs of a thread; it moves only where it must. */
export function pin(tid: number, cpus: readonly number[]): Effect {
  const pinned = (thread: Thread): Thread => {
    if (thread.tid !== tid) return thread;
    const stays = thread.cpu !== null && cpus.includes(thread.cpu);
    return { ...thread, allowed: cpus, cpu: stays ? thread.cpu : (cpus[tid % cpus.length] ?? null) };
  };
  return ofGuests((guest) => ({
    ...guest,
    vcpus: guest.vcpus.map(pinned),
    ioThreads: guest.ioThreads.map(pinned),
    vhost: guest.vhost.map(pinned),
    main: guest.main === null ? null : pinned(guest.main),
  }));
}

/** Another card, of a guest that starts anew. */
export function card(
  pid: number,
  netdev: string,
  change: Partial<Pick<GuestNic, 'model' | 'queues'>>,
): Effect {
  return ofGuests((guest) =>
    guest.pid === pid
      ? { ...guest, nics: guest.nics.map((nic) => (nic.netdev === netdev ? { ...nic, ...change } : nic)) }
      : guest,
  );
}

/** A vhost worker, which may run where the process may. */
export function vhost(pid: number): Effect {
  return ofGuests((guest) => {
    if (guest.pid !== pid || guest.main === null || guest.vhost.length > 0) return guest;
    return { ...guest, vhost: [{ ...guest.main, tid: -pid, name: `vhost-${pid}` }] };
  });
}

/** Queues of a tap. */
export function tapQueues(device: string, count: number): Effect {
  return ofDevice(device, (one) => ({
    ...one,
    rx: resized(one.rx, count, rxQueue),
    tx: resized(one.tx, count, (queue) => ({ queue, xps: [] })),
  }));
}
