/**
 * What was read, as plain data: `--facts`.
 *
 * Promise: names of the contract; what could not be read is null. Pure.
 */
import { type Fact, known, valueOr } from './fact.js';
import type { Device, Host } from './host.js';
import type { Thread } from './read/processes.js';

function orNull<T>(fact: Fact<T>): T | null {
  return known(fact) ? (fact as T) : null;
}

function deviceFacts(device: Device) {
  const { name, kind, driver, node, up, mac, master, lower, upper, speed, rx, tx, irqs } = device;
  return {
    ...{ name, kind, driver, node, up, mac, master, lower, upper, speed },
    queues: { rx: rx.length, tx: tx.length },
    irqs: irqs.map(({ irq, action, role, cpus, asked, hint }) => ({
      ...{ irq, action, queue: role?.queue ?? null, type: role?.type ?? null },
      ...{ cpus: orNull(cpus), asked: orNull(asked), hint: orNull(hint) },
    })),
    rps: rx.map(({ queue, rps }) => ({ queue, cpus: orNull(rps) })),
    xps: tx.map(({ queue, xps }) => ({ queue, cpus: orNull(xps) })),
    rfs: rx.map(({ queue, flows }) => ({ queue, entries: orNull(flows) })),
    channels: orNull(device.channels),
    rings: orNull(device.rings),
    coalescing: orNull(device.coalescing),
    features: orNull(device.features),
    rss: orNull(device.rss),
    fields: orNull(device.fields),
    rules: orNull(device.rules),
    tunFlags: device.tunFlags,
    deferHardIrqs: orNull(device.deferHardIrqs),
    groFlushTimeout: orNull(device.groFlushTimeout),
    threaded: orNull(device.threaded),
  };
}

const threadFacts = ({ tid, name, cpu, allowed }: Thread) => ({ tid, name, cpu, allowed: orNull(allowed) });

/** The document of `--facts --json`. */
export function factsOf(host: Host) {
  const { cpus, counters, load } = host;
  const softnet = orNull(counters.softnet);
  return {
    source: host.source,
    kernel: orNull(host.kernel),
    namespace: orNull(host.namespace),
    role: host.role,
    roleWhy: host.roleWhy,
    cpus: {
      possible: cpus.possible.length,
      online: cpus.online,
      offline: cpus.offline,
      isolated: orNull(cpus.isolated),
      nohzFull: orNull(cpus.nohzFull),
      siblings: known(cpus.siblings)
        ? [...new Map([...cpus.siblings.values()].map((list) => [list.join(), list])).values()]
        : null,
    },
    nodes: cpus.nodes.map(({ id, cpus: list, distance }) => ({ id, cpus: list, distance })),
    devices: host.devices.map(deviceFacts),
    softnet:
      softnet === null
        ? null
        : [...softnet].map(([cpu, row]) => ({
            cpu,
            processed: row.processed,
            dropped: row.dropped,
            squeezed: row.timeSqueeze,
            ipis: row.receivedRps,
            flowLimit: row.flowLimitCount,
          })),
    softirqs: known(counters.netRx) ? [...counters.netRx].map(([cpu, netRx]) => ({ cpu, netRx })) : null,
    sysctls: Object.fromEntries(Object.entries(host.sysctls).map(([name, value]) => [name, orNull(value)])),
    guests: host.guests.map((guest) => ({
      name: guest.name,
      pid: guest.pid,
      vcpus: guest.vcpus.map(threadFacts),
      ioThreads: guest.ioThreads.map(threadFacts),
      vhost: guest.vhost.map(threadFacts),
      nics: guest.nics,
      taps: known(guest.taps) ? [...guest.taps].map(([name, queues]) => ({ name, queues })) : null,
    })),
    tapHolders: [...host.processes.taps].flatMap(([pid, taps]) =>
      [...taps].map(([name, queues]) => ({ pid, name, queues })),
    ),
    managers: host.managers,
    pmds: orNull(host.pmds),
    sample: known(load)
      ? {
          since: load.since,
          seconds: load.seconds,
          softirq: known(load.softirq) ? Object.fromEntries(load.softirq) : null,
          devices: Object.fromEntries(load.devices),
        }
      : null,
    sockets: valueOr(host.sockets, null),
  };
}
