/**
 * Network devices of a host: what sysfs tells of each, its queues with their masks and flow tables, its place in stacks.
 *
 * Promise: one entry for each folder of /sys/class/net (that of the network namespace in which sysfs was mounted), with
 * `Unknown` for each file that could not be read. A device that goes meanwhile is left out. Files are read only.
 *
 * Source: Documentation/ABI/testing/sysfs-class-net*, net/core/net-sysfs.c.
 */
import { type Fact, known, map, unknown } from '../fact.js';
import { parseCpuList, parseCpuMask } from '../lists.js';
import { readFirst, type Source } from '../source/source.js';

/** A receive queue. */
export interface RxQueue {
  readonly queue: number;
  readonly rps: Fact<readonly number[]>;
  readonly flows: Fact<number>;
}

/** A transmit queue. `xps` is empty where the device has one queue and no file. */
export interface TxQueue {
  readonly queue: number;
  readonly xps: Fact<readonly number[]>;
}

/** Kinds that matter to steering; `nic` is everything with hardware (or a hypervisor) behind it. */
export type DeviceKind =
  | 'nic'
  | 'tap'
  | 'tun'
  | 'veth'
  | 'bridge'
  | 'ovs'
  | 'bond'
  | 'vlan'
  | 'tunnel'
  | 'dsa'
  | 'loopback'
  | 'virtual';

/** What sysfs tells of a device. */
export interface SysDevice {
  readonly name: string;
  readonly ifindex: number | null;
  readonly kind: DeviceKind;
  /** From the driver's link or uevent; null where there is none. */
  readonly driver: string | null;
  /** `virtio2`: the name under which its interrupts are known. */
  readonly owner: string | null;
  /** Null: unknown, or none. */
  readonly node: number | null;
  readonly up: boolean;
  readonly running: boolean;
  /** How many folders of queues there are, or why nobody could look. */
  readonly folders: Fact<number>;
  readonly rx: readonly RxQueue[];
  readonly tx: readonly TxQueue[];
  /** Interrupts of the device behind it; null where it lists none. */
  readonly msiIrqs: readonly number[] | null;
  /** Its one interrupt line. */
  readonly legacyIrq: number | null;
  readonly lower: readonly string[];
  readonly upper: readonly string[];
  /** The bridge, bond or datapath that it is a port of. */
  readonly master: string | null;
  readonly tunFlags: number | null;
  readonly speed: number | null;
  readonly deferHardIrqs: Fact<number>;
  readonly groFlushTimeout: Fact<number>;
  readonly threaded: Fact<boolean>;
  readonly mac: string | null;
}

/** IFF_MULTI_QUEUE and IFF_TAP of `tun_flags`. */
export const TUN_MULTI_QUEUE = 0x100;
const TUN_TAP = 0x2;

const NET = '/sys/class/net';
const IFF_UP = 1;
const ARPHRD_TUNNELS = new Set([768, 769, 776, 778, 823]);
const TUNNEL_TYPES = /^(vxlan|geneve|gretap|erspan|ip6gretap|gre|ipip|sit|bareudp)$/;

/** A number, decimal or hexadecimal with 0x. */
function numberAt(source: Source, path: string): Fact<number> {
  return map(source.read(path), (text) => {
    const value = Number(text.trim());
    return text.trim() === '' || Number.isNaN(value) ? unknown(`${path}: no number`) : value;
  });
}

function orNull(fact: Fact<number>): number | null {
  return known(fact) ? fact : null;
}

function maskAt(source: Source, path: string): Fact<number[]> {
  return map(source.read(path), (text) => parseCpuMask(text) ?? unknown(`${path}: no mask`));
}

/** Names of /sys/class/net; what is no device (bonding_masters) is left out. */
export function deviceNames(source: Source): Fact<string[]> {
  return map(source.list(NET), (names) => names.filter((name) => name !== 'bonding_masters'));
}

/** Reads one device; an `Unknown` where it is gone, or nobody may look. */
export function readDevice(source: Source, name: string): Fact<SysDevice> {
  const at = `${NET}/${name}`;
  const names = source.list(at);
  if (!known(names)) return names;
  const has = new Set(names);
  const uevent = source.read(`${at}/uevent`);
  const type = known(uevent) ? (/^DEVTYPE=(\S+)/m.exec(uevent)?.[1] ?? '') : '';
  const flags = orNull(numberAt(source, `${at}/flags`)) ?? 0;
  const carrier = orNull(numberAt(source, `${at}/carrier`));
  const operstate = source.read(`${at}/operstate`);
  const tunFlags = has.has('tun_flags') ? orNull(numberAt(source, `${at}/tun_flags`)) : null;
  const bus = busOf(source, at, has);
  const arphrd = orNull(numberAt(source, `${at}/type`));
  const linked = stackOf(source, at, names);
  return {
    name,
    ifindex: orNull(numberAt(source, `${at}/ifindex`)),
    kind: kindOf(source, at, has, type, arphrd, tunFlags),
    driver: bus.driver,
    owner: bus.owner,
    node: bus.node,
    up: (flags & IFF_UP) !== 0 || (known(operstate) && operstate.trim() === 'up'),
    running: carrier === 1 || (known(operstate) && operstate.trim() === 'up'),
    ...queuesOf(source, at),
    msiIrqs: bus.msiIrqs,
    legacyIrq: bus.legacyIrq,
    ...linked,
    tunFlags,
    speed: orNull(numberAt(source, `${at}/speed`)),
    deferHardIrqs: numberAt(source, `${at}/napi_defer_hard_irqs`),
    groFlushTimeout: numberAt(source, `${at}/gro_flush_timeout`),
    threaded: map(numberAt(source, `${at}/threaded`), (value) => value !== 0),
    mac: macOf(source, at),
  };
}

function macOf(source: Source, at: string): string | null {
  const text = source.read(`${at}/address`);
  return known(text) && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text.trim())
    ? text.trim().toLowerCase()
    : null;
}

function kindOf(
  source: Source,
  at: string,
  has: ReadonlySet<string>,
  type: string,
  arphrd: number | null,
  tunFlags: number | null,
): DeviceKind {
  if (tunFlags !== null) return (tunFlags & TUN_TAP) !== 0 ? 'tap' : 'tun';
  if (has.has('bridge')) return 'bridge';
  if (has.has('bonding')) return 'bond';
  if (type === 'vlan' || known(source.read(`/proc/net/vlan/${at.slice(NET.length + 1)}`))) return 'vlan';
  if (type === 'dsa') return 'dsa';
  if (TUNNEL_TYPES.test(type) || (arphrd !== null && ARPHRD_TUNNELS.has(arphrd))) return 'tunnel';
  if (has.has('device')) return 'nic';
  if (at === `${NET}/lo`) return 'loopback';
  if (/^ovs-(system|netdev)$/.test(at.slice(NET.length + 1))) return 'ovs';
  const link = source.linkName(at);
  const path = source.resolve(at) ?? '';
  // A sosreport keeps little of a device but the path to it.
  if (known(link) && path !== '' && !path.includes('/virtual/') && path.startsWith('/sys/devices/'))
    return 'nic';
  return type === 'veth' || /^veth/.test(at.slice(NET.length + 1)) ? 'veth' : 'virtual';
}

interface Bus {
  readonly driver: string | null;
  readonly owner: string | null;
  readonly node: number | null;
  readonly msiIrqs: readonly number[] | null;
  readonly legacyIrq: number | null;
}

/** The device behind, and the one behind that: what belongs to a PCI function lies above a virtio device. */
function busOf(source: Source, at: string, has: ReadonlySet<string>): Bus {
  const path = source.resolve(at) ?? '';
  const fromPath = /\/(virtio\d+)\/net\//.exec(`${path}/`)?.[1] ?? null;
  if (!has.has('device'))
    return { driver: null, owner: fromPath, node: null, msiIrqs: null, legacyIrq: null };
  const device = `${at}/device`;
  const link = source.linkName(device);
  const owner = known(link) && /^virtio\d+$/.test(link) ? link : fromPath;
  const real = source.resolve(device);
  const parent = real === null ? null : real.slice(0, real.lastIndexOf('/'));
  const folders = owner !== null && parent !== null ? [device, parent] : [device];
  const driver = source.linkName(`${device}/driver`);
  const uevent = source.read(`${device}/uevent`);
  const nodes = folders.flatMap((folder) => orNull(numberAt(source, `${folder}/numa_node`)) ?? []);
  const node = nodes.find((id) => id >= 0) ?? null;
  const msi = folders.flatMap((folder) => {
    const list = source.list(`${folder}/msi_irqs`);
    return known(list) ? [list.filter((name) => /^\d+$/.test(name)).map(Number)] : [];
  });
  const legacy = folders.flatMap((folder) => orNull(numberAt(source, `${folder}/irq`)) ?? []);
  return {
    driver: known(driver) ? driver : known(uevent) ? (/^DRIVER=(\S+)/m.exec(uevent)?.[1] ?? null) : null,
    owner,
    node,
    msiIrqs: msi.at(-1) ?? null,
    legacyIrq: legacy.find((irq) => irq > 0) ?? null,
  };
}

function queuesOf(source: Source, at: string): { folders: Fact<number>; rx: RxQueue[]; tx: TxQueue[] } {
  const names = source.list(`${at}/queues`);
  const rx: RxQueue[] = [];
  const tx: TxQueue[] = [];
  for (const name of known(names) ? names : []) {
    const match = /^(rx|tx)-(\d+)$/.exec(name);
    if (match === null) continue;
    const folder = `${at}/queues/${name}`;
    const queue = Number(match[2]);
    if (match[1] === 'rx') {
      rx.push({
        queue,
        rps: maskAt(source, `${folder}/rps_cpus`),
        flows: numberAt(source, `${folder}/rps_flow_cnt`),
      });
    } else {
      const xps = maskAt(source, `${folder}/xps_cpus`);
      tx.push({ queue, xps: !known(xps) && xps.because === 'absent' && source.isLive ? [] : xps });
    }
  }
  return { folders: map(names, ({ length }) => length), rx, tx };
}

function stackOf(
  source: Source,
  at: string,
  names: readonly string[],
): Pick<SysDevice, 'lower' | 'upper' | 'master'> {
  const linked = (prefix: string) =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const master = source.linkName(`${at}/master`);
  const bridge = source.linkName(`${at}/brport/bridge`);
  const ports = source.list(`${at}/brif`);
  const slaves = source.read(`${at}/bonding/slaves`);
  const lower = new Set([
    ...linked('lower_'),
    ...(known(ports) ? ports : []),
    ...(known(slaves) ? slaves.trim().split(/\s+/).filter(Boolean) : []),
  ]);
  const upper = new Set(linked('upper_'));
  const owner = known(master) ? master : known(bridge) ? bridge : ([...upper][0] ?? null);
  if (owner !== null) upper.add(owner);
  return {
    lower: [...lower],
    upper: [...upper],
    master: known(master) ? master : known(bridge) ? bridge : null,
  };
}

/** A list of CPUs in a file of procfs. */
export function cpuListAt(source: Source, path: string): Fact<number[]> {
  return map(readFirst(source, [path]), (text) => parseCpuList(text) ?? unknown(`${path}: no list of CPUs`));
}
