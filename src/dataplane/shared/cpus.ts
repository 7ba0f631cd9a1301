/**
 * The CPUs that threads of this process may be pinned to.
 *
 * Promise: those that are online and permitted (affinity, cpuset), by their ids, which may have holes: with simultaneous
 * multithreading off 0, 2, 4 and so on.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Ids of a list as the kernel writes it, `0-3,8`; null where it is none. */
export function parseKernelList(text: string): number[] | null {
  const ids: number[] = [];
  for (const part of text.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return null;
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
    for (let id = from; id <= to; id++) ids.push(id);
  }
  return ids;
}

/** The list as the kernel writes it. */
export function formatCpuList(ids: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const id of ids) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === id - 1) last[1] = id;
    else runs.push([id, id]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/**
 * @param online text of `/sys/devices/system/cpu/online`
 * @param status text of `/proc/self/status`, where `Cpus_allowed_list` may name CPUs that are not online
 * @param count CPUs where neither says anything: 0 to `count` - 1
 */
export function cpusFrom(online: string | null, status: string | null, count: number): number[] {
  const allowed = parseKernelList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status ?? '')?.[1] ?? '');
  const present = parseKernelList(online ?? '');
  if (present === null) return allowed ?? Array.from({ length: count }, (_, id) => id);
  return allowed === null ? present : present.filter((id) => allowed.includes(id));
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** The CPUs of this process. */
export function permittedCpus(): number[] {
  return cpusFrom(textOf('/sys/devices/system/cpu/online'), textOf('/proc/self/status'), cpus().length);
}
