/**
 * CPUs in groups of equal size that keep siblings, clusters and nodes together: what interrupts of a device get, and
 * since 6.3 hardware queues without interrupts too.
 *
 * Promise: the groups of `group_cpus_evenly` (lib/group_cpus.c; before 6.3 `irq_build_affinity_masks` in
 * kernel/irq/affinity.c, which is the same), CPU by CPU. Present CPUs are dealt out first, then those that may come. Pure.
 */
import { UserError } from '../errors.js';
import { type BlockBehaviour, MODERN_BLOCK } from './behaviour.js';
import { kernelSort } from './kernel-sort.js';
import { type BlockMachine, checkMachine, clusterOf, idsWhere, isPresent, siblingsOf } from './machine.js';

/** Groups at most: queues of an NVMe controller. */
const GROUPS_MAX = 65535;

/** Groups of CPUs. */
export interface CpuGroups {
  /** CPUs of each group, ascending. */
  readonly groups: readonly (readonly number[])[];
  /** Groups that were dealt CPUs; before 6.17 the kernel did not tell. */
  readonly filled: number;
}

/** Groups to which CPUs are dealt. */
interface Table {
  readonly machine: BlockMachine;
  readonly rules: BlockBehaviour;
  readonly groups: Set<number>[];
}

/** A node or cluster and what it gets. */
interface Share {
  readonly id: number;
  readonly cpus: number[];
  groups: number;
}

/**
 * Deals all possible CPUs into `count` groups.
 * @throws UserError for a count that is not from 1 to 65535, or a machine without CPUs
 */
export function groupCpusEvenly(
  count: number,
  machine: BlockMachine,
  rules: BlockBehaviour = MODERN_BLOCK,
): CpuGroups {
  if (!Number.isInteger(count) || count < 1 || count > GROUPS_MAX) {
    throw new UserError(`${String(count)} groups of CPUs: wanted 1 to ${GROUPS_MAX}`);
  }
  checkMachine(machine);
  const table: Table = { machine, rules, groups: Array.from({ length: count }, () => new Set<number>()) };
  const present = deal(table, 0, idsWhere(machine.cpus, isPresent));
  const others = deal(
    table,
    present >= count ? 0 : present,
    idsWhere(machine.cpus, (cpu) => !isPresent(cpu)),
  );
  return {
    groups: table.groups.map((group) => [...group].sort((a, b) => a - b)),
    filled: Math.min(present + others, count),
  };
}

/** One stage (`__group_cpus_evenly`), from group `first` on; returns how many groups it has filled. */
function deal(table: Table, first: number, cpus: readonly number[]): number {
  if (cpus.length === 0) return 0;
  const { machine, rules, groups } = table;
  const nodes = byNode(machine, cpus);
  const count = groups.length;
  let next = first;
  if (count <= nodes.length) {
    for (const { id, cpus: own } of nodes) {
      const all = rules.fewGroups === 'stage' ? own : idsWhere(machine.cpus, ({ node }) => node === id);
      for (const cpu of all) groups[next]!.add(cpu);
      if (++next === count) next = 0;
    }
    return count;
  }
  const inOrder = sorted(table, nodes, 1 + machine.cpus.reduce((most, { node }) => Math.max(most, node), 0));
  divide(Math.min(cpus.length, count), inOrder);
  let done = 0;
  for (const node of inOrder) {
    const clusters = rules.clusters ? clustersOf(table, node) : null;
    for (const share of clusters ?? [node]) next = spread(table, share, next);
    done += node.groups;
  }
  return done;
}

/** CPUs by their node, in the order of nodes. */
function byNode(machine: BlockMachine, cpus: readonly number[]): Share[] {
  const nodes = new Map<number, Share>();
  for (const cpu of cpus) {
    const id = machine.cpus[cpu]!.node;
    const share = nodes.get(id) ?? { id, cpus: [], groups: 0 };
    share.cpus.push(cpu);
    nodes.set(id, share);
  }
  return [...nodes.values()].sort((a, b) => a.id - b.id);
}

/**
 * The fewest CPUs first. The kernel sorts all node numbers up to the highest, those without CPUs as UINT_MAX, which its
 * comparison takes for -1; where they are changes the order of equal ones.
 */
function sorted({ rules }: Table, shares: readonly Share[], numbers: number): Share[] {
  const none: Share = { id: -1, cpus: [], groups: 0 };
  const all = new Array<Share>(numbers).fill(none);
  for (const share of shares) all[share.id] = share;
  const size = (share: Share) => (share === none ? -1 : share.cpus.length);
  kernelSort(all, (a, b) => size(a) - size(b), rules.sort);
  return all.filter((share) => share !== none);
}

/** Groups in proportion to CPUs, at least one each (`alloc_groups_to_nodes`). */
function divide(count: number, shares: readonly Share[]): void {
  let left = count;
  let cpus = shares.reduce((sum, share) => sum + share.cpus.length, 0);
  for (const share of shares) {
    share.groups = Math.max(1, Math.floor((left * share.cpus.length) / cpus));
    cpus -= share.cpus.length;
    left -= share.groups;
  }
}

/** The node by clusters (`alloc_cluster_groups`); null where they are more than its groups, or unknown. */
function clustersOf(table: Table, node: Share): Share[] | null {
  const shares: Share[] = [];
  const left = new Set(node.cpus);
  while (left.size > 0) {
    const [cpu] = left;
    const cluster = clusterOf(table.machine, cpu!);
    if (cluster.length === 0) return null;
    const own = cluster.filter((other) => node.cpus.includes(other));
    shares.push({ id: shares.length, cpus: own, groups: 0 });
    for (const other of cluster) left.delete(other);
  }
  if (shares.length > node.groups) return null;
  kernelSort(shares, (a, b) => a.cpus.length - b.cpus.length, table.rules.sort);
  divide(node.groups, shares);
  return shares;
}

/** CPUs of a share to its groups, the larger ones first (`assign_cpus_to_groups`); returns the group after them. */
function spread({ machine, groups }: Table, share: Share, first: number): number {
  const left = new Set(share.cpus);
  const each = Math.floor(share.cpus.length / share.groups);
  let larger = share.cpus.length - share.groups * each;
  let next = first;
  for (let g = 0; g < share.groups; g++, next++) {
    if (next >= groups.length) next = 0;
    fill(machine, groups[next]!, left, larger > 0 ? each + 1 : each);
    if (larger > 0) larger--;
  }
  return next;
}

/** So many CPUs, siblings of the first one before the next (`grp_spread_init_one`). */
function fill(machine: BlockMachine, group: Set<number>, left: Set<number>, count: number): void {
  let wanted = count;
  while (wanted > 0 && left.size > 0) {
    const [cpu] = left;
    left.delete(cpu!);
    group.add(cpu!);
    wanted--;
    for (const sibling of siblingsOf(machine, cpu!)) {
      if (wanted === 0) break;
      if (!left.delete(sibling)) continue;
      group.add(sibling);
      wanted--;
    }
  }
}
