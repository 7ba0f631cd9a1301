/**
 * CPUs and NUMA nodes of a host.
 *
 * Promise: possible, online and isolated CPUs by id; where only /proc/stat or /proc/interrupts is there (a sosreport),
 * the online ones come from it. A node's distance to itself is 10. What cannot be read of isolation is told.
 */
import { type Fact, known, map, unknown } from '../fact.js';
import { CPUS_MAX, common, parseCpuList, unique } from '../lists.js';
import type { Source } from '../source/source.js';

/** A NUMA node. */
export interface NumaNode {
  readonly id: number;
  readonly cpus: readonly number[];
  /** By node id, in the order of the nodes; empty where it is not told. */
  readonly distance: readonly number[];
}

/** CPUs of a host. */
export interface Cpus {
  readonly possible: readonly number[];
  readonly online: readonly number[];
  readonly offline: readonly number[];
  /** `isolcpus=` (domain) and isolated partitions. */
  readonly isolated: Fact<readonly number[]>;
  /** `nohz_full=`; empty on kernels without it. */
  readonly nohzFull: Fact<readonly number[]>;
  readonly nodes: readonly NumaNode[];
  /** How many nodes were read, or why nobody could look: then there is one with all CPUs. */
  readonly nodesRead: Fact<number>;
  /** Hardware threads of the same core, itself among them. */
  readonly siblings: Fact<ReadonlyMap<number, readonly number[]>>;
  /** Scaling governor by CPU; CPUs without one are left out. */
  readonly governors: ReadonlyMap<number, string>;
}

const CPU = '/sys/devices/system/cpu';
const NODE = '/sys/devices/system/node';

function listAt(source: Source, path: string): Fact<number[]> {
  const text = source.read(path);
  if (!known(text)) return text;
  return parseCpuList(text) ?? unknown(`${path}: no list of CPUs`);
}

/** CPUs that /proc/stat or /proc/interrupts name. */
function fromProc(source: Source): number[] {
  const stat = source.read('/proc/stat');
  const isCpu = (cpu: number) => cpu < CPUS_MAX;
  if (known(stat)) return [...stat.matchAll(/^cpu(\d+) /gm)].map(([, cpu]) => Number(cpu)).filter(isCpu);
  const interrupts = source.read('/proc/interrupts');
  if (!known(interrupts)) return [];
  const [header = ''] = interrupts.split('\n', 1);
  return [...header.matchAll(/CPU(\d+)/g)].map(([, cpu]) => Number(cpu)).filter(isCpu);
}

/** Reads them. */
export function readCpus(source: Source): Cpus {
  const onlineList = listAt(source, `${CPU}/online`);
  const online = known(onlineList) ? onlineList : fromProc(source);
  const possibleList = listAt(source, `${CPU}/possible`);
  const possible = known(possibleList) ? possibleList : online;
  const offlineList = listAt(source, `${CPU}/offline`);
  const isOnline = new Set(online);
  const offline = known(offlineList)
    ? common(offlineList, possible)
    : possible.filter((cpu) => !isOnline.has(cpu));
  const cmdline = source.read('/proc/cmdline');
  const nohzFull = listAt(source, `${CPU}/nohz_full`);
  return {
    possible,
    online,
    offline,
    isolated: orFromCmdline(listAt(source, `${CPU}/isolated`), cmdline, 'isolcpus'),
    nohzFull:
      !known(nohzFull) && nohzFull.because === 'absent' && source.isLive
        ? []
        : orFromCmdline(nohzFull, cmdline, 'nohz_full'),
    ...nodesOf(source, online),
    siblings: siblingsOf(source, online),
    governors: governorsOf(source, online),
  };
}

/** What the kernel's command line says, where the file is not there. */
function orFromCmdline(list: Fact<number[]>, cmdline: Fact<string>, name: string): Fact<number[]> {
  if (known(list) || !known(cmdline)) return list;
  const value = new RegExp(`(?:^|\\s)${name}=(\\S+)`).exec(cmdline)?.[1];
  if (value === undefined) return [];
  const cpus = value
    .split(',')
    .filter((part) => /^\d/.test(part))
    .join(',');
  return parseCpuList(cpus) ?? unknown(`/proc/cmdline: ${name}=${value} is no list of CPUs`);
}

function nodesOf(source: Source, online: readonly number[]): Pick<Cpus, 'nodes' | 'nodesRead'> {
  const names = source.list(NODE);
  const ids = known(names) ? names.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number) : [];
  let nodesRead = map(names, () => ids.length as Fact<number>);
  const nodes = ids.flatMap((id) => {
    const cpus = listAt(source, `${NODE}/node${id}/cpulist`);
    if (!known(cpus)) {
      nodesRead = cpus;
      return [];
    }
    const distance = source.read(`${NODE}/node${id}/distance`);
    return { id, cpus, distance: known(distance) ? distance.trim().split(/\s+/).map(Number) : [] };
  });
  return { nodes: nodes.length > 0 ? nodes : [{ id: 0, cpus: online, distance: [10] }], nodesRead };
}

function siblingsOf(source: Source, online: readonly number[]): Cpus['siblings'] {
  const found = new Map<number, readonly number[]>();
  for (const cpu of online) {
    if (found.has(cpu)) continue;
    const list = listAt(source, `${CPU}/cpu${cpu}/topology/thread_siblings_list`);
    const also = known(list) ? list : listAt(source, `${CPU}/cpu${cpu}/topology/core_cpus_list`);
    if (!known(also)) return also;
    for (const sibling of also) found.set(sibling, also);
  }
  return found;
}

function governorsOf(source: Source, online: readonly number[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const [first] = online;
  // One CPU without a governor: none has.
  for (const cpu of online) {
    const text = source.read(`${CPU}/cpu${cpu}/cpufreq/scaling_governor`);
    if (known(text)) found.set(cpu, text.trim());
    else if (cpu === first) break;
  }
  return found;
}

/** Cores of a list of CPUs: one for each set of siblings. */
export function coresOf(cpus: Cpus, list: readonly number[]): number {
  const { siblings } = cpus;
  if (!known(siblings)) return list.length;
  return unique(list.map((cpu) => siblings.get(cpu)?.[0] ?? cpu)).length;
}

/** CPUs that no work should be put on: isolated, or without a tick. */
export function isolatedCpus(cpus: Cpus): Fact<number[]> {
  const { isolated, nohzFull } = cpus;
  if (!known(isolated)) return isolated;
  return unique([...isolated, ...(known(nohzFull) ? nohzFull : [])]);
}

/** The node of a CPU; null where it is on none. */
export function nodeOf(cpus: Cpus, cpu: number): number | null {
  return cpus.nodes.find((node) => node.cpus.includes(cpu))?.id ?? null;
}
