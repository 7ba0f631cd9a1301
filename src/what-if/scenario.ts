/**
 * A device and what is behind it as a scenario of the simulator (`docs/simulate.md`).
 *
 * Promise: from facts alone; what no fact tells is in `assumed`, and what the simulator cannot express, or a fact that is
 * missing and decides, is an `Unknown`: nothing is said then. Two hosts that differ only in what it does not know give equal
 * scenarios. Pure.
 */
import { type Fact, known, unknown, valueOr } from '../host/fact.js';
import { type GuestPath, guestPaths, lastCpus } from '../host/guest-table.js';
import type { Device, Host } from '../host/host.js';
import { unique } from '../host/lists.js';
import { nicRss } from '../host/nic-rss.js';
import type { Thread } from '../host/read/processes.js';
import { type SysctlName, sysctlNumber } from '../host/read/sysctls.js';
import { cpuOfQueue, deviceNamed, rxQueueCount } from '../host/view.js';
import { type Machine, machineOf } from './machine.js';

/** A part of a scenario: the simulator checks it (`ScenarioInput`). */
export type Part = { readonly [key: string]: unknown };

/** The host of a scenario, without its load. */
export interface Model {
  readonly parts: Part;
  /** Policy under test; null: the NIC's own. */
  readonly policy: string | null;
  /** Names in the scenario, and the tap of each; none: the host itself is what packets are for. */
  readonly targets: readonly { readonly name: string; readonly tap: string }[];
  readonly cpus: number;
  readonly assumed: readonly string[];
}

/** Guests that are simulated: more would take too long. */
const GUESTS_MAX = 32;
const VCPUS_MAX = 256;
const MODERATION_MAX_US = 200;
const RING_MAX = 65536;

/** The model of a device; the host's other devices are left out. */
export function modelOf(host: Host, device: Device): Fact<Model> {
  const machine = machineOf(host.cpus);
  if (!known(machine)) return machine;
  if (device.kind !== 'nic') return unknown(`${device.name} is no NIC`);
  const all = guestPaths(host).filter(({ uplink, tap }) => uplink?.name === device.name && tap !== null);
  if (all.length === 0 && (host.role === 'guest' || host.role === 'sniffer' || host.virtualMachine)) {
    return unknown(`the simulator has no ${host.role === 'sniffer' ? 'sniffer' : 'host below this one'}`);
  }
  if (all.length === 0 && host.role === 'vm-host') return unknown(`no guest is behind ${device.name}`);
  const paths = all.slice(0, GUESTS_MAX);
  if (paths.reduce((sum, { vcpus }) => sum + vcpus.length, 0) > VCPUS_MAX) return unknown('too many vCPUs');
  const nic = nicOf(device, machine, sysctlNumber(host.sysctls, 'net.core.rps_sock_flow_entries'));
  if (!known(nic)) return nic;
  const missing = missingOf(device);
  const guests: [string, Part][] = [];
  for (const [i, path] of paths.entries()) {
    const guest = guestPart(host, path, machine);
    if (!known(guest)) return guest;
    guests.push([`g${i}`, guest]);
  }
  const byGuest = paths.length > 0 && isByGuest(device, paths.length);
  return {
    parts: {
      host: {
        cpus: machine.spec,
        softirq: softirqOf(host),
        ...(paths.length > 0 ? {} : { apps: [appOf(host.role === 'forwarder', host.cpus.online.length)] }),
      },
      nics: { eth0: nic },
      ...(guests.length === 0 ? {} : { guests: Object.fromEntries(guests) }),
    },
    policy: byGuest && rxQueueCount(device) > 1 ? 'mac:stage=nic' : null,
    targets: paths.map(({ tap }, i) => ({ name: `g${i}`, tap: tap!.name })),
    cpus: host.cpus.online.length,
    assumed: [
      paths.length > 0
        ? 'guests answer what they get, and use as many queues as they have'
        : host.role === 'forwarder'
          ? 'packets are routed on'
          : 'a thread on each CPU answers what it gets',
      ...(missing.length > 0 ? [`not known of ${device.name}: ${missing.join(', ')}`] : []),
      ...(host.virtualMachine ? ['no host below this one takes part'] : []),
      ...(all.length > paths.length ? [`${paths.length} of ${all.length} guests`] : []),
      ...(paths.some(({ workers }) => isRoaming(workers)) ? ['device threads stay where they ran last'] : []),
      ...(byGuest ? ['flow rules give each queue as many guests'] : []),
      ...(machine.isRenumbered ? ['CPUs are numbered node by node in the scenario'] : []),
    ],
  };
}

function appOf(isForwarder: boolean, cpus: number): Part {
  return isForwarder ? { kind: 'forward' } : { kind: 'echo', threads: cpus };
}

function softirqOf(host: Host): Part {
  const of = (name: SysctlName, least: number) => {
    const value = sysctlNumber(host.sysctls, name);
    return known(value) && value >= least ? value : null;
  };
  const budget = of('net.core.netdev_budget', 1);
  const timeUs = of('net.core.netdev_budget_usecs', 1);
  const maxBacklog = of('net.core.netdev_max_backlog', 1);
  return {
    ...(budget === null ? {} : { budget }),
    ...(timeUs === null ? {} : { timeUs }),
    ...(maxBacklog === null ? {} : { maxBacklog: Math.min(maxBacklog, 1 << 20) }),
  };
}

/** What no fact tells of a NIC, and what stands for it. */
function missingOf(device: Device): string[] {
  const { rings, coalescing, speed } = device;
  return [
    ...(rxQueueCount(device) > 1 && !known(nicRss(device)) ? ['its table and key (a generic one)'] : []),
    ...(known(rings) ? [] : ['its ring (512)']),
    ...(known(coalescing) ? [] : ['its moderation (none)']),
    ...(speed !== null && speed > 0 ? [] : ['its rate (no limit)']),
  ];
}

/** Rules by the guests' addresses, and nothing behind them that spreads anew. */
function isByGuest({ rules, rx }: Device, guests: number): boolean {
  if (!known(rules)) return false;
  const byMac = rules.filter(({ words, queue }) => queue !== null && /\bether dst\b/.test(words ?? ''));
  return byMac.length >= guests && rx.every(({ rps }) => known(rps) && rps.length === 0);
}

function nicOf(device: Device, machine: Machine, sockEntries: Fact<number>): Fact<Part> {
  const queues = Math.max(1, rxQueueCount(device));
  const irqs: number[] = [];
  for (let queue = 0; queue < queues; queue++) {
    const cpu = cpuOfQueue(device, queue);
    const [number] = cpu === null ? [] : machine.cpus([cpu]);
    if (number === undefined) return unknown(`${device.name}: where queue ${queue} interrupts is not known`);
    irqs.push(number);
  }
  const rps = rpsOf(device, queues, machine, sockEntries);
  if (!known(rps)) return rps;
  const transmit = transmitOf(device, machine);
  if (!known(transmit)) return transmit;
  const rss = nicRss(device);
  const node = device.node === null ? null : machine.node(device.node);
  const { rings, coalescing, speed } = device;
  const moderation = known(coalescing) ? (coalescing.rxUsecs ?? 0) : 0;
  return {
    queues,
    irqs,
    ...(queues > 1 && known(rss) ? { policy: { ...rss, queues } } : {}),
    ...(known(rings) && rings.rx > 0 ? { ring: Math.min(rings.rx, RING_MAX) } : {}),
    ...(moderation > 0 ? { moderationUs: Math.min(moderation, MODERATION_MAX_US) } : {}),
    ...(node === null ? {} : { node }),
    ...(speed !== null && speed > 0 ? { gbps: speed / 1000 } : {}),
    ...(rps === null ? {} : { rps }),
    transmit,
  };
}

/** Null: off. */
function rpsOf(
  device: Device,
  queues: number,
  machine: Machine,
  sockEntries: Fact<number>,
): Fact<Part | null> {
  const masks: number[][] = [];
  let flows = 0;
  for (let queue = 0; queue < queues; queue++) {
    const rx = device.rx.find((one) => one.queue === queue);
    if (rx !== undefined && !known(rx.rps)) return rx.rps;
    masks.push(rx === undefined ? [] : machine.cpus(rx.rps as readonly number[]));
    flows = Math.max(flows, rx === undefined ? 0 : valueOr(rx.flows, 0));
  }
  const entries = valueOr(sockEntries, 0);
  const isRfs = flows > 0 && entries > 0;
  if (masks.every((mask) => mask.length === 0) && !isRfs) return null;
  return { cpus: masks, ...(isRfs ? { flows: Math.min(flows, 1 << 24), sockEntries: entries } : {}) };
}

function transmitOf({ tx, name }: Device, machine: Machine): Fact<Part> {
  const masks: number[][] = [];
  for (const { xps } of tx) {
    if (!known(xps)) return unknown(`${name}: ${xps.unknown}`);
    const cpus = machine.cpus(xps);
    // A queue without CPUs is chosen by the hash only; which number it has does not matter.
    if (cpus.length > 0) masks.push(cpus);
  }
  return { queues: Math.max(1, tx.length), ...(tx.length > 1 && masks.length > 0 ? { select: masks } : {}) };
}

const allowedOf = ({ allowed }: Thread) => valueOr(allowed, null);
const isRoaming = (threads: readonly Thread[]) => threads.some((thread) => allowedOf(thread)?.length !== 1);

/** How packets get into a guest; null: in a way that is not modelled. */
function pathOf({ guest, tap }: GuestPath): string | null {
  const cards = guest.nics.filter(
    ({ ifname, backend }) => backend === 'tap' && (ifname ?? tap!.name) === tap!.name,
  );
  const card = cards.length === 1 || guest.nics.length === 1 ? (cards[0] ?? guest.nics[0]) : undefined;
  if (card === undefined) return null;
  if (/^e1000(-82540em|e)?$/.test(card.model)) return 'qemu-e1000';
  if (!/^virtio(-net.*)?$/.test(card.model)) return null;
  return guest.vhost.length > 0 ? 'vhost-tap' : 'qemu-virtio';
}

function guestPart(host: Host, path: GuestPath, machine: Machine): Fact<Part> {
  const { guest, tap, vcpus, workers } = path;
  const kind = pathOf(path);
  if (kind === null) return unknown(`${guest.name}: its card is not modelled`);
  if (vcpus.length === 0) return unknown(`${guest.name}: its vCPUs are not known`);
  const pinned = !isRoaming(vcpus);
  const places: number[] = [];
  for (const thread of vcpus) {
    const allowed = allowedOf(thread);
    const [place] = machine.cpus(pinned ? allowed! : thread.cpu === null ? [] : [thread.cpu]);
    if (place === undefined) return unknown(`${guest.name}: where its vCPUs run is not known`);
    places.push(place);
  }
  const others = pinned ? [] : machine.cpus(unique(vcpus.flatMap((thread) => allowedOf(thread) ?? [])));
  // Where several vCPUs were seen on one CPU the list cannot say so: they go wherever they may.
  const cpus =
    pinned && new Set(places).size < places.length
      ? places.slice(0, 1)
      : [...new Set([...places, ...others])];
  const workerCpus = machine.cpus(
    unique(workers.flatMap((thread) => (isRoaming([thread]) ? lastCpus([thread]) : allowedOf(thread)!))),
  );
  const queues = kind === 'qemu-e1000' ? 1 : Math.max(1, Math.min(tap!.rx.length, vcpus.length));
  return {
    path: kind,
    vcpus: vcpus.length,
    cpus,
    pin: pinned,
    queues,
    ...(workerCpus.length === 0 ? {} : { workerCpus }),
    ...(kind === 'vhost-tap' && workers.length > 1 ? { workers: workers.length } : {}),
    ...(queues > 1 ? { transmit: { queues, select: 'cpus' } } : {}),
    switch: switchOf(host, tap!),
    apps: [{ kind: 'echo', threads: vcpus.length }],
  };
}

function switchOf(host: Host, tap: Device): string {
  return tap.master !== null && deviceNamed(host, tap.master)?.kind === 'ovs' ? 'ovs' : 'bridge';
}
