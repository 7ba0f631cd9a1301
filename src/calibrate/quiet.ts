/**
 * What other programs did while something was measured: how much of the CPUs they took, and how much slower a piece of
 * work of known size became.
 *
 * Promise: the share is that of the whole machine (`/proc/stat`: user, nice, system, and what the hypervisor took), less
 * what this process and its children took. A hypervisor that tells nothing of what it takes shows in the yardstick: its
 * CPU time, against the least that it ever took. Without /proc nothing is disturbed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { loadNative } from '../addon/native.js';

/** How disturbed a measurement was. */
export interface Disturbance {
  /** Share of all CPUs that others had. */
  readonly others: number;
  /** By how much longer the yardstick took than at best. */
  readonly slowdown: number;
}

/** Above these a measurement is repeated. */
export const QUIET: Disturbance = { others: 0.05, slowdown: 0.2 };

export const isQuiet = ({ others, slowdown }: Disturbance): boolean =>
  others <= QUIET.others && slowdown <= QUIET.slowdown;

/** The larger of both, in parts of what is permitted. */
export const disturbanceOf = ({ others, slowdown }: Disturbance): number =>
  Math.max(others / QUIET.others, slowdown / QUIET.slowdown);

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Ticks of the machine: those that programs or the hypervisor had, and all. Interrupts are nobody's. */
export function machineTicks(stat: string): { readonly busy: number; readonly all: number } {
  const line = /^cpu +([\d ]+)$/m.exec(stat)?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0] = line
    .split(' ')
    .map(Number);
  const busy = user + nice + system + steal;
  return { busy, all: busy + idle + wait + irq + softirq };
}

/** Ticks of a process and its parent, of `/proc/PID/stat`. */
export function processTicks(stat: string): { readonly parent: number; readonly ticks: number } {
  // The command name may hold anything, also parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

/** Ticks of this process and its children, by process. */
function ownTicks(): Map<string, number> {
  const own = new Map<string, number>();
  let ids: string[] = [];
  try {
    ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return own;
  }
  for (const id of ids) {
    const stat = read(`/proc/${id}/stat`);
    if (stat === '') continue;
    const { parent, ticks } = processTicks(stat);
    if (Number(id) === process.pid || parent === process.pid) own.set(id, ticks);
  }
  return own;
}

/** Turns of the yardstick's loop: some milliseconds. */
const TURNS = 4_000_000;
let best = Number.POSITIVE_INFINITY;

/** A piece of work that is always the same; CPU nanoseconds. */
function yardstick(): number {
  const now = () => loadNative()?.threadCpuTime() ?? performance.now() * 1e6;
  const start = now();
  let x = 1;
  for (let i = 0; i < TURNS; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
  const took = now() - start;
  // The sum is used, so that the loop stays.
  return x === 0 ? took + 1 : took;
}

/** By how much longer the yardstick takes now than it ever did. */
function slowdown(): number {
  if (best === Number.POSITIVE_INFINITY) for (let i = 0; i < 5; i++) best = Math.min(best, yardstick());
  // The least of three: a moment alone says nothing.
  const took = Math.min(yardstick(), yardstick(), yardstick());
  best = Math.min(best, took);
  return took / best - 1;
}

/** Begins to watch; what is returned says how disturbed the time since then was. */
export function watch(): () => Disturbance {
  const slowBefore = slowdown();
  const before = machineTicks(read('/proc/stat'));
  const ownBefore = ownTicks();
  return () => {
    const after = machineTicks(read('/proc/stat'));
    let own = 0;
    // What has ended meanwhile counts as others'.
    for (const [id, ticks] of ownTicks()) own += ticks - (ownBefore.get(id) ?? 0);
    const all = Math.max(1, after.all - before.all);
    const others = Math.max(0, (after.busy - before.busy - own) / all);
    return { others, slowdown: Math.max(slowBefore, slowdown()) };
  };
}

/**
 * Measures until `wanted` quiet samples are there, at most `most` times.
 * @returns the quiet ones, or where there are too few, the least disturbed; and how disturbed the worst of them was
 */
export async function quietSamples<T>(
  wanted: number,
  most: number,
  measure: () => Promise<T>,
): Promise<{ readonly samples: T[]; readonly worst: Disturbance }> {
  const taken: { sample: T; disturbance: Disturbance }[] = [];
  const quiet = () => taken.filter(({ disturbance }) => isQuiet(disturbance)).length;
  while (taken.length < most && quiet() < wanted) {
    const end = watch();
    const sample = await measure();
    taken.push({ sample, disturbance: end() });
  }
  taken.sort((a, b) => disturbanceOf(a.disturbance) - disturbanceOf(b.disturbance));
  const kept = taken.slice(0, wanted);
  return { samples: kept.map(({ sample }) => sample), worst: kept.at(-1)!.disturbance };
}
