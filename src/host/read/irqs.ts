/**
 * The interrupts of a device, the queues that they serve and the CPUs that they go to.
 *
 * Promise: the queue of an interrupt comes from the kernel (family `netdev`) where it tells, else from the names of the
 * interrupt's actions. `cpus` is where it really goes (effective affinity), or will go from the next interrupt on; `asked` what was asked for. Only interrupts
 * that /proc/irq has are taken: idpf lists more than there are. Per-interrupt files are read for devices only.
 */
import { irqOfQueue, type NetdevFacts } from '../ask/netdev.js';
import { type Fact, known, map, unknown } from '../fact.js';
import { parseCpuList, parseCpuMask } from '../lists.js';
import type { Source } from '../source/source.js';
import type { SysDevice } from './devices.js';
import type { Interrupts } from './interrupts.js';
import { type IrqRole, irqRole, isOfDevice } from './irq-names.js';

/** An interrupt of a device. */
export interface DeviceIrq {
  readonly irq: number;
  readonly action: string;
  /** All actions of the line: more than one where it is shared. */
  readonly actions: readonly string[];
  readonly chip: string;
  /** Null: a control interrupt. */
  readonly role: IrqRole | null;
  readonly cpus: Fact<readonly number[]>;
  readonly asked: Fact<readonly number[]>;
  /** Empty: none. */
  readonly hint: Fact<readonly number[]>;
}

function listIn(source: Source, path: string): Fact<number[]> {
  return map(source.read(path), (text) => parseCpuList(text) ?? unknown(`${path}: no list of CPUs`));
}

function maskIn(source: Source, path: string): Fact<number[]> {
  return map(source.read(path), (text) => parseCpuMask(text) ?? unknown(`${path}: no mask`));
}

/** The first, else the second; where neither is known, the reason that is none of being absent. */
function either(
  first: Fact<number[]>,
  second: (source: Source, path: string) => Fact<number[]>,
  source: Source,
  path: string,
): Fact<number[]> {
  if (known(first)) return first;
  const other = second(source, path);
  return known(other) || first.because === 'absent' ? other : first;
}

/** Where an interrupt goes, and what was asked for. */
export function affinityOf(source: Source, irq: number): Pick<DeviceIrq, 'cpus' | 'asked'> {
  const at = `/proc/irq/${irq}`;
  const list = listIn(source, `${at}/smp_affinity_list`);
  const asked = either(list, maskIn, source, `${at}/smp_affinity`);
  const effective = listIn(source, `${at}/effective_affinity_list`);
  const cpus = either(effective, maskIn, source, `${at}/effective_affinity`);
  // Architectures without the file send an interrupt wherever the mask permits. An empty one: not yet started. One beside
  // the mask: what was set takes effect with the next interrupt (irq_move_irq), and an idle queue has none.
  const isInEffect =
    known(cpus) && cpus.length > 0 && !(known(asked) && cpus.some((cpu) => !asked.includes(cpu)));
  return { asked, cpus: isInEffect ? cpus : asked };
}

/** The interrupts of a device, by queue. */
export function readIrqs(
  source: Source,
  device: SysDevice,
  interrupts: Fact<Interrupts>,
  netdev: Fact<NetdevFacts>,
): DeviceIrq[] {
  const rows = known(interrupts) ? interrupts.rows : [];
  const listed = new Set(device.msiIrqs ?? []);
  if (device.kind !== 'nic' && listed.size === 0) return [];
  const isOurs = (name: string) => isOfDevice(name, device.name, device.owner);
  const numbers = new Map<number, readonly string[]>();
  for (const row of rows) {
    const byName = row.actions.some(isOurs);
    if (byName || listed.has(row.irq)) numbers.set(row.irq, row.actions);
  }
  if (numbers.size === 0 && device.legacyIrq !== null) {
    const row = rows.find(({ irq }) => irq === device.legacyIrq);
    if (row !== undefined) numbers.set(row.irq, row.actions);
  }
  for (const irq of listed) {
    if (numbers.has(irq)) continue;
    const names = source.list(`/proc/irq/${irq}`);
    if (known(names)) numbers.set(irq, namesIn(source, irq, names));
  }
  const told = toldRoles(device, netdev);
  const blocks = [...numbers.values()].flat().filter((name) => name.includes('-ntfy-block.')).length;
  return [...numbers]
    .map(([irq, actions]) => {
      const action = actions.find(isOurs) ?? actions[0] ?? '';
      const named = action === '' ? null : gveRole(irqRole(action, device.name), action, blocks);
      return {
        irq,
        action,
        actions,
        chip: rows.find((row) => row.irq === irq)?.chip ?? '',
        role: told.get(irq) ?? named,
        ...affinityOf(source, irq),
        hint: maskIn(source, `/proc/irq/${irq}/affinity_hint`),
      };
    })
    .sort((a, b) => (a.role?.queue ?? 1e9) - (b.role?.queue ?? 1e9) || a.irq - b.irq);
}

/** Action names where /proc/interrupts was not read: folders of /proc/irq/N, or the file of sysfs. */
function namesIn(source: Source, irq: number, names: readonly string[]): string[] {
  const text = source.read(`/sys/kernel/irq/${irq}/actions`);
  if (known(text) && text.trim() !== '') return text.trim().split(',');
  const files =
    /^(smp_affinity|smp_affinity_list|effective_affinity|effective_affinity_list|affinity_hint|node|spurious)$/;
  return names.filter((name) => !files.test(name));
}

/** gve's blocks: the first half transmits, the second receives. */
function gveRole(role: IrqRole | null, name: string, blocks: number): IrqRole | null {
  if (role === null || !name.includes('-ntfy-block.') || blocks < 2) return role;
  const half = blocks >> 1;
  return role.queue < half ? { type: 'tx', queue: role.queue } : { type: 'rx', queue: role.queue - half };
}

/** Interrupts whose queue the kernel tells. */
function toldRoles(device: SysDevice, netdev: Fact<NetdevFacts>): ReadonlyMap<number, IrqRole> {
  const found = new Map<number, IrqRole>();
  if (device.ifindex === null) return found;
  for (const type of ['rx', 'tx'] as const) {
    for (const { queue } of device[type]) {
      const irq = irqOfQueue(netdev, device.ifindex, type, queue);
      if (irq === null || irq === 0) continue;
      const before = found.get(irq);
      if (before === undefined) found.set(irq, { type, queue });
      else if (before.type !== type) found.set(irq, { type: 'both', queue: before.queue });
    }
  }
  return found;
}
