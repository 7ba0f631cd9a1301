/**
 * The machine that is measured: processor, kernel, CPUs that may be used and how far apart two of them are.
 *
 * Promise: read from /proc and /sys; what is not told there is not guessed (`socket` is the distance where nothing is
 * known).
 */
import { readFileSync } from 'node:fs';
import { cpus, release, type as systemName } from 'node:os';

/** Distances, near to far, as the costs name them. */
export type Distance = 'core' | 'cache' | 'socket' | 'remote';

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

/** CPUs of a list such as `0-3,8`. */
export function parseCpuList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (match === null) return [];
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  });
}

/** CPUs that this process may use. */
export function allowedCpus(): number[] {
  const status = read('/proc/self/status') ?? '';
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  return list === undefined ? cpus().map((_, cpu) => cpu) : parseCpuList(list);
}

/** How far apart two CPUs are. */
export function distanceOf(a: number, b: number): Distance {
  const of = (cpu: number, name: string) => read(`/sys/devices/system/cpu/cpu${cpu}/${name}`);
  const shares = (name: string) => parseCpuList(of(a, name) ?? '').includes(b);
  if (shares('topology/thread_siblings_list')) return 'core';
  const [one, other] = [a, b].map((cpu) => of(cpu, 'topology/physical_package_id'));
  if (one !== null && other !== null && one !== other) return 'remote';
  for (let index = 4; index >= 2; index--) if (shares(`cache/index${index}/shared_cpu_list`)) return 'cache';
  return 'socket';
}

/** Processor and kernel in a line. */
export function machineText(): string {
  const all = cpus();
  const model = all[0]?.model.trim() ?? 'an unknown processor';
  const isVirtual = /^flags\s*:.*\bhypervisor\b/m.test(read('/proc/cpuinfo') ?? '');
  return `${model}, ${all.length} CPU${all.length === 1 ? '' : 's'}${isVirtual ? ' (virtual)' : ''}, ${systemName()} ${release()}, Node ${process.versions.node}`;
}
