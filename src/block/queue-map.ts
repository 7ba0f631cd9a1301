/**
 * The block layer's maps from CPUs to hardware queues: one for writes and all else (default), one for reads, one for
 * polled requests.
 *
 * Promise: `blk_mq_map_queues` (block/blk-mq-cpumap.c) and `blk_mq_map_swqueue` (block/blk-mq.c) for a machine and a
 * release. Pure.
 */
import { UserError } from '../errors.js';
import { type BlockBehaviour, MODERN_BLOCK } from './behaviour.js';
import { groupCpusEvenly } from './group-cpus.js';
import { type BlockMachine, checkMachine, isPresent, siblingsOf } from './machine.js';

/** What a hardware queue is for (`enum hctx_type`). */
export const QUEUE_TYPES = ['default', 'read', 'poll'] as const;
/** One of `QUEUE_TYPES`. */
export type QueueType = (typeof QUEUE_TYPES)[number];

/** Queue of each possible CPU. */
export type QueueMap = Int32Array;

/** The maps of a device; one that is absent is the default map (`blk_mq_map_queue_type`). */
export interface QueueMaps {
  readonly default: QueueMap;
  readonly read?: QueueMap;
  readonly poll?: QueueMap;
}

/**
 * Queue of each CPU where the device gives no affinity of its own: poll queues, devices with one interrupt, null_blk.
 * @param queues 1 to 65535
 * @param offset number of the first queue
 * @throws UserError for a number of queues outside of that
 */
export function mapQueues(
  queues: number,
  machine: BlockMachine,
  rules: BlockBehaviour = MODERN_BLOCK,
  offset = 0,
): QueueMap {
  if (!Number.isInteger(queues) || queues < 1 || queues > 65535) {
    throw new UserError(`${String(queues)} hardware queues: wanted 1 to 65535`);
  }
  checkMachine(machine);
  if (rules.plainMap === 'turns') return inTurns(queues, machine, offset);
  const { groups, filled } = groupCpusEvenly(queues, machine, rules);
  return mapOf(repeated(groups, filled, queues, rules), machine.cpus.length, offset);
}

/** CPUs of each queue, where a kernel repeats groups once they are used up. */
function repeated(
  groups: CpuLists,
  filled: number,
  queues: number,
  { emptyGroups }: BlockBehaviour,
): CpuLists {
  if (emptyGroups === 'stay') return groups;
  return Array.from({ length: queues }, (_, queue) => groups[queue % filled]!);
}

/** Lists of CPUs. */
export type CpuLists = readonly (readonly number[])[];

/** The map in which each queue has its list of CPUs; of several queues for a CPU the last one has it. */
export function mapOf(lists: CpuLists, cpus: number, offset = 0): QueueMap {
  const map = new Int32Array(cpus);
  lists.forEach((list, queue) => {
    for (const cpu of list) map[cpu] = offset + queue;
  });
  return map;
}

/** The rule before 6.3: a queue for each present CPU in turn; when they are used up, siblings share their first one's. */
function inTurns(queues: number, machine: BlockMachine, offset: number): QueueMap {
  const { cpus } = machine;
  const map = new Int32Array(cpus.length).fill(-1);
  let next = 0;
  for (let cpu = 0; cpu < cpus.length && next < queues; cpu++) {
    if (isPresent(cpus[cpu]!)) map[cpu] = offset + next++;
  }
  for (let cpu = 0; cpu < cpus.length; cpu++) {
    if (map[cpu] !== -1) continue;
    const first = siblingsOf(machine, cpu)[0] ?? cpu;
    if (next < queues || first === cpu) map[cpu] = offset + (next++ % queues);
    else map[cpu] = map[first]!;
  }
  return map;
}

/** Queue that a request of this CPU takes (`blk_mq_map_queue`): polled ones first, then reads. */
export function queueFor(
  maps: QueueMaps,
  cpu: number,
  request: { polled?: boolean; read?: boolean },
): number {
  const map = request.polled === true ? maps.poll : request.read === true ? maps.read : undefined;
  return (map ?? maps.default)[cpu]!;
}

/**
 * CPUs of each hardware queue over all maps, as `/sys/block/DEVICE/mq/N/cpu_list` has them. A queue without CPUs has no
 * folder there; here its list is empty.
 */
export function queueCpus(maps: QueueMaps, queues: number): number[][] {
  const lists = Array.from({ length: queues }, () => new Set<number>());
  for (const type of QUEUE_TYPES) {
    maps[type]?.forEach((queue, cpu) => {
      lists[queue]!.add(cpu);
    });
  }
  return lists.map((list) => [...list].sort((a, b) => a - b));
}

/** As sysfs prints the list: `0, 4`. */
export function formatQueueCpus(cpus: readonly number[]): string {
  return cpus.join(', ');
}
