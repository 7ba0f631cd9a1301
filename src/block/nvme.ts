/**
 * How Linux's NVMe driver sets up a controller: how many queues of which kind, their interrupts, which CPU submits where.
 *
 * Promise: `nvme_setup_io_queues`, `nvme_setup_irqs`, `nvme_calc_irq_sets`, `nvme_pci_map_queues`
 * (drivers/nvme/host/pci.c), `irq_create_affinity_masks` (kernel/irq/affinity.c), `irq_do_set_affinity`
 * (kernel/irq/manage.c), for PCI controllers with MSI-X. Pure.
 */
import { UserError } from '../errors.js';
import { type BlockBehaviour, MODERN_BLOCK } from './behaviour.js';
import { groupCpusEvenly } from './group-cpus.js';
import { type BlockMachine, checkMachine, isOnline } from './machine.js';
import {
  type CpuLists,
  mapOf,
  mapQueues,
  QUEUE_TYPES,
  type QueueMaps,
  type QueueType,
  queueCpus,
} from './queue-map.js';

/** The controller and the driver's parameters. */
export interface NvmeSetup {
  /** I/O queue pairs that the controller grants (Set Features, Number of Queues). 1 to 65535. */
  readonly ioQueues: number;
  /** MSI-X vectors that it has, the admin queue's among them. 1 to 2048; default as many as asked for. */
  readonly vectors?: number;
  /** `nvme.write_queues`: default queues apart from those for reads. 0 (default) to the number of possible CPUs. */
  readonly writeQueues?: number;
  /** `nvme.poll_queues`. 0 (default) to the number of possible CPUs. */
  readonly pollQueues?: number;
  /** The controller works with one vector only (`NVME_QUIRK_SINGLE_VECTOR`). */
  readonly singleVector?: boolean;
}

/** One I/O queue pair. */
export interface NvmeQueue {
  /** Number in `/sys/block/DEVICE/mq`; the controller's own number is one more. */
  readonly index: number;
  readonly type: QueueType;
  /** MSI-X vector; null for a poll queue. Vector 0 is the admin queue's too. */
  readonly vector: number | null;
  /** CPUs that submit here by one of the maps; empty: no request ever comes. */
  readonly cpus: readonly number[];
  /** CPUs to one of which the interrupt goes (managed: not to be moved); empty for poll queues and vector 0. */
  readonly irqCpus: readonly number[];
  /** Of those the CPUs from which the kernel takes one: online, and not isolated as long as one is left. */
  readonly irqTargets: readonly number[];
}

/** What the driver sets up. */
export interface NvmeQueues {
  readonly counts: Readonly<Record<QueueType, number>>;
  /** Vectors in use, the admin queue's among them. */
  readonly vectors: number;
  readonly maps: QueueMaps;
  readonly queues: readonly NvmeQueue[];
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new UserError(`${name} ${String(value)}: wanted a whole number from ${least} to ${most}`);
  }
  return value;
}

/**
 * Queues, vectors and maps of a controller.
 * @throws UserError for a number outside of its range, or a machine without CPUs
 */
export function nvmeQueues(
  machine: BlockMachine,
  setup: NvmeSetup,
  rules: BlockBehaviour = MODERN_BLOCK,
): NvmeQueues {
  checkMachine(machine);
  const cpus = machine.cpus.length;
  const writes = whole('writeQueues', setup.writeQueues ?? 0, 0, cpus);
  const polls = whole('pollQueues', setup.pollQueues ?? 0, 0, cpus);
  const granted = Math.min(whole('ioQueues', setup.ioQueues, 1, 65535), cpus + writes + polls);
  const offered = whole('vectors', setup.vectors ?? 2048, 1, 2048);
  const poll = Math.min(polls, granted - 1);
  const vectors = Math.min(setup.singleVector === true ? 1 : 1 + granted - poll, offered);
  const counts = { ...irqSets(vectors - 1, writes), poll };
  const affinity = vectorCpus([counts.default, counts.read], vectors - 1, machine, rules);
  const maps = nvmeMaps(counts, affinity, machine, rules);
  const total = counts.default + counts.read + poll;
  const lists = queueCpus(maps, total);
  const queues = lists.map((own, index): NvmeQueue => {
    const type = index < counts.default ? 'default' : index < counts.default + counts.read ? 'read' : 'poll';
    const vector = type === 'poll' ? null : vectors > 1 ? index + 1 : 0;
    const irqCpus = vector === null || vector === 0 ? [] : affinity[vector - 1]!;
    return { index, type, vector, cpus: own, irqCpus, irqTargets: targetsOf(irqCpus, machine) };
  });
  return { counts, vectors, maps, queues };
}

/** Where a managed interrupt may go (`irq_do_set_affinity`, with isolated CPUs since 5.6). */
function targetsOf(cpus: readonly number[], machine: BlockMachine): number[] {
  const online = cpus.filter((cpu) => isOnline(machine.cpus[cpu]!));
  const others = online.filter((cpu) => machine.cpus[cpu]!.isolated !== true);
  return others.length > 0 ? others : online;
}

/** Queues with interrupts by kind (`nvme_calc_irq_sets`), for so many vectors besides the admin queue's. */
function irqSets(vectors: number, writes: number): { default: number; read: number } {
  const all = Math.max(vectors, 1);
  const read = all === 1 || writes === 0 ? 0 : writes >= all ? 1 : all - writes;
  return { default: all - read, read };
}

/** CPUs of each vector behind the admin queue's (`irq_create_affinity_masks`). */
function vectorCpus(
  sets: readonly number[],
  vectors: number,
  machine: BlockMachine,
  rules: BlockBehaviour,
): CpuLists {
  const all = new Array<readonly number[]>(vectors).fill([]);
  let next = 0;
  for (const size of sets) {
    if (size === 0 || vectors === 0) continue;
    const { groups, filled } = groupCpusEvenly(size, machine, rules);
    const given = rules.emptyGroups === 'repeat' ? groups.slice(0, filled) : groups;
    given.forEach((group, g) => {
      all[next + g] = group;
    });
    next += given.length;
  }
  return all;
}

/** The three maps (`nvme_pci_map_queues`). */
function nvmeMaps(
  counts: Readonly<Record<QueueType, number>>,
  affinity: CpuLists,
  machine: BlockMachine,
  rules: BlockBehaviour,
): QueueMaps {
  const maps: { -readonly [T in QueueType]?: Int32Array } = {};
  let offset = 0;
  for (const type of QUEUE_TYPES) {
    const count = counts[type];
    if (count === 0) continue;
    maps[type] =
      type !== 'poll' && affinity.length > 0
        ? mapOf(affinity.slice(offset, offset + count), machine.cpus.length, offset)
        : mapQueues(count, machine, rules, offset);
    offset += count;
  }
  return maps as QueueMaps;
}
