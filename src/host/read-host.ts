/**
 * Reads a host: everything once, what counts twice.
 *
 * Promise: reads only. The second reading comes after `wait`, which is called once, and not for a collection. Of the
 * interrupts only those of devices are followed, however many there are.
 */
import { type EthtoolFacts, withUnknowns } from './ask/ethtool-facts.js';
import { type Fact, known, map, type Unknown, unknown } from './fact.js';
import type { Device, Host, PacketSocket, Role } from './host.js';
import { loadOf } from './load.js';
import { type CounterTargets, readCounters } from './read/counters.js';
import { readCpus } from './read/cpus.js';
import { deviceNames, readDevice, type SysDevice } from './read/devices.js';
import { guestsOf } from './read/guests.js';
import { readInterrupts } from './read/interrupts.js';
import { isOfDevice } from './read/irq-names.js';
import { readIrqs } from './read/irqs.js';
import { readManagers } from './read/managers.js';
import { readPmds } from './read/ovs.js';
import { readProcesses } from './read/processes.js';
import { readSysctls } from './read/sysctls.js';
import { detectRole } from './role.js';
import type { Source } from './source/source.js';
import { OWN } from './source/tree.js';
import { worded } from './wording.js';

/** How a host is read. */
export interface ReadOptions {
  /** Null: found out. */
  readonly role: Role | null;
  /** The source of the second reading; null: there is only one. Called after the first reading. */
  readonly second: () => Promise<Source | null>;
  /** Milliseconds of a clock that does not jump; for a collection the times that were noted. */
  readonly now: (source: Source) => number;
}

const GUEST_DRIVERS = /^(virtio_net|ena|gve|hv_netvsc|vmxnet3|xen-netfront|vif|mana|ixgbevf|iavf)$/;
const HYPERVISORS =
  /QEMU|KVM|Xen|VMware|Amazon EC2|Google|Virtual Machine|OpenStack|Bochs|innotek|Parallels/i;

/** Reads everything. */
export async function readHost(source: Source, { role, second, now }: ReadOptions): Promise<Host> {
  const cpus = readCpus(source);
  const netdev = source.netdev();
  const names = deviceNames(source);
  const read = (known(names) ? names : []).map((name) => [name, readDevice(source, name)] as const);
  const found = read.flatMap(([, device]) => (known(device) ? [device as SysDevice] : []));
  const { devices, interrupts } = withIrqs(source, found, netdev);
  const unreadDevices = [...(known(names) ? [] : [['host', names] as const]), ...read].flatMap(
    ([subject, fact]) => (known(fact) ? [] : [{ subject, fact: fact as Unknown }]),
  );
  const targets: CounterTargets = {
    devices: devices.filter(({ kind }) => kind !== 'loopback').map(({ name }) => name),
    nics: devices.filter(({ kind }) => kind === 'nic').map(({ name }) => name),
    irqs: new Set(devices.flatMap(({ irqs }) => irqs.map(({ irq }) => irq))),
    online: cpus.online,
  };
  const first = readCounters(source, targets, now(source));
  const taps = devices.filter(({ kind }) => kind === 'tap' || kind === 'tun').map(({ name }) => name);
  const processes = readProcesses(source, taps);
  const managers = readManagers(source, processes.all);
  const later = await second();
  const counters = later === null ? first : readCounters(later, targets, now(later));
  const parts = {
    devices,
    guests: guestsOf(processes),
    managers,
    packetSockets: map(source.read('/proc/net/packet'), packetSockets),
    sysctls: readSysctls(source),
    virtualMachine: isVirtual(source, devices),
    pmds: readPmds(source),
  };
  const detected = detectRole(parts);
  return {
    ...parts,
    source: source.name,
    isLive: source.isLive,
    isWhole: source.isLive || known(source.read(`${OWN}/clock`)),
    unreadDevices,
    interrupts,
    kernel: kernelOf(source),
    cmdline: map(source.read('/proc/cmdline'), (text) => text.trim()),
    namespace: source.linkName('/proc/self/ns/net'),
    cpus,
    processes,
    netdev,
    sockets: map(source.read('/proc/net/sockstat'), socketsIn),
    counters,
    load: loadOf(later === null ? null : first, counters, uptimeOf(source)),
    role: role ?? detected.role,
    roleWhy: role === null ? worded(detected.why) : 'given',
  };
}

function withIrqs(
  source: Source,
  found: readonly SysDevice[],
  netdev: Host['netdev'],
): Pick<Host, 'devices' | 'interrupts'> {
  const listed = new Set(found.flatMap(({ msiIrqs, legacyIrq }) => [...(msiIrqs ?? []), legacyIrq ?? -1]));
  const nics = found.filter(({ kind }) => kind === 'nic');
  const isOurs = (name: string) => nics.some((nic) => isOfDevice(name, nic.name, nic.owner));
  // Of thousands of rows only the devices' are kept.
  const interrupts = readInterrupts(
    source,
    () => true,
    (row) => listed.has(row.irq) || row.actions.some(isOurs),
  );
  const none = withUnknowns({}, 'ethtool is asked of NICs only');
  const devices = found.map((device): Device => {
    const isAsked = device.kind === 'nic' || device.kind === 'tap' || device.kind === 'bond';
    const answers: Fact<EthtoolFacts> = isAsked ? source.ethtool(device.name) : none;
    const ethtool = known(answers) ? answers : withUnknowns({}, answers.unknown, answers.because);
    const irqs = readIrqs(source, device, interrupts, netdev);
    const { driver: told, ...facts } = ethtool;
    const driver = device.driver ?? (known(told) && told !== '' ? told : null);
    return { ...device, ...facts, driver, irqs };
  });
  return { devices, interrupts: map(interrupts, ({ rows }) => rows.length) };
}

function kernelOf(source: Source): Fact<string> {
  const release = source.read('/proc/sys/kernel/osrelease');
  if (known(release)) return release.trim();
  for (const path of ['/proc/version', '/sos_commands/kernel/uname_-a', '/uname']) {
    const text = source.read(path);
    const version = known(text)
      ? /\b(\d+\.\d+[\w.+-]*)/.exec(text.replace(/^Linux \S+ (?=\d)/, ''))?.[1]
      : undefined;
    if (version !== undefined) return version;
  }
  return release.because === 'absent'
    ? unknown('kernel release: neither /proc/sys/kernel/osrelease nor /proc/version', 'absent')
    : release;
}

function uptimeOf(source: Source): Fact<number> {
  return map(source.read('/proc/uptime'), (text) => {
    const seconds = Number(text.split(' ')[0]);
    return seconds > 0 ? seconds : unknown('/proc/uptime: no number');
  });
}

function socketsIn(text: string): Fact<number> {
  const used = [...text.matchAll(/^(?:TCP|UDP): inuse (\d+)/gm)].map(([, count]) => Number(count));
  return used.length === 0 ? unknown('/proc/net/sockstat: no TCP, no UDP') : used.reduce((a, b) => a + b, 0);
}

/** sk RefCnt Type Proto Iface R Rmem User Inode */
function packetSockets(text: string): PacketSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const cells = line.trim().split(/\s+/);
      return cells.length < 9 ? [] : [{ ifindex: Number(cells[4]), running: cells[5] === '1' }];
    });
}

function isVirtual(source: Source, devices: readonly Device[]): boolean {
  for (const name of ['sys_vendor', 'product_name']) {
    const text = source.read(`/sys/class/dmi/id/${name}`);
    if (known(text) && HYPERVISORS.test(text)) return true;
  }
  if (known(source.read('/sys/hypervisor/type'))) return true;
  const nics = devices.filter(({ kind }) => kind === 'nic');
  return nics.length > 0 && nics.every(({ driver }) => GUEST_DRIVERS.test(driver ?? ''));
}
