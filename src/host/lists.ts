/**
 * CPU lists and masks of sysfs and procfs, as sets of ids in ascending order.
 *
 * Promise: `0-3,8` and `ff,00000001` of any width are read; what is neither is null. Pure.
 *
 * Source: lib/bitmap-str.c (the formats `%*pbl` and `%*pb`).
 */

/** CPUs at most: more than any kernel is built for, so that a wrong file costs no memory. */
export const CPUS_MAX = 1 << 16;

/** Reads `0-3,8,10-11`; `0-10:2/4` (groups) too. Null for anything else. */
export function parseCpuList(text: string): number[] | null {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === '(null)') return [];
  const cpus = new Set<number>();
  let named = 0;
  for (const part of trimmed.split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6})(?::(\d{1,6})\/(\d{1,6}))?)?$/.exec(part.trim());
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    const used = Number(match[3] ?? 1);
    const group = Number(match[4] ?? 1);
    if (last < first || last >= CPUS_MAX || group === 0) return null;
    // The kernel names each once: more is no list of its, and would take for ever.
    named += last - first + 1;
    if (named > CPUS_MAX) return null;
    for (let cpu = first; cpu <= last; cpu++) if ((cpu - first) % group < used) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Prints `0-3,8`; empty for none. */
export function formatCpuList(cpus: readonly number[]): string {
  const sorted = [...new Set(cpus)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end]! + 1) end++;
    parts.push(end === at ? `${sorted[at]}` : `${sorted[at]}-${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

/** Reads a mask of groups of 32 bits, most significant first. Null for anything else. */
export function parseCpuMask(text: string): number[] | null {
  const trimmed = text.trim().replace(/^0x/i, '');
  if (!/^[0-9a-f]{1,8}(,[0-9a-f]{1,8})*$/i.test(trimmed)) return null;
  const groups = trimmed.split(',').reverse();
  if (groups.length * 32 > CPUS_MAX) return null;
  const cpus: number[] = [];
  groups.forEach((digits, g) => {
    const word = Number.parseInt(digits, 16);
    for (let bit = 0; bit < 32; bit++) if (((word >>> bit) & 1) === 1) cpus.push(32 * g + bit);
  });
  return cpus;
}

/** Prints a mask as sysfs takes it: as many groups as the highest CPU needs. */
export function formatCpuMask(cpus: readonly number[]): string {
  const groups = new Array<number>(1 + Math.floor(Math.max(0, ...cpus) / 32)).fill(0);
  for (const cpu of cpus) groups[cpu >>> 5] = (groups[cpu >>> 5]! | (1 << (cpu & 31))) >>> 0;
  return groups
    .reverse()
    .map((word, g) => (g === 0 ? word.toString(16) : word.toString(16).padStart(8, '0')))
    .join(',');
}

/** Members of both. */
export function common(a: readonly number[], b: readonly number[]): number[] {
  const set = new Set(b);
  return a.filter((cpu) => set.has(cpu));
}

/** Members of the first that the second has not. */
export function without(a: readonly number[], b: readonly number[]): number[] {
  const set = new Set(b);
  return a.filter((cpu) => !set.has(cpu));
}

/** Each once, ascending. */
export function unique(cpus: readonly number[]): number[] {
  return [...new Set(cpus)].sort((a, b) => a - b);
}

/** Whether two lists have the same members. */
export function sameCpus(a: readonly number[], b: readonly number[]): boolean {
  return formatCpuList(a) === formatCpuList(b);
}
