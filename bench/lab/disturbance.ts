/**
 * Whether a machine kept its CPUs for a measurement, or gave them to somebody else meanwhile.
 *
 * Promise: a window in which a hypervisor took a CPU away (`steal` of /proc/stat), or a thread of the measured process was
 * ready and had to wait for one (its schedstat), is told as disturbed, with the reason; what a kernel does not tell is said,
 * and nothing counts as disturbed by it. Linux only. Sources: Documentation/filesystems/proc.rst,
 * Documentation/scheduler/sched-stats.rst.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Shares of the window: what a quiet machine's own threads take stays far below. */
const STOLEN_MOST = 0.01;
const WAITED_MOST = 0.03;
/** Jiffies of /proc/stat in a second: USER_HZ. */
const HZ = 100;
/** `steal` is the eighth number of a CPU's line of /proc/stat. */
const STEAL = 8;

/** What was seen at one moment. Times in milliseconds. */
export interface Look {
  readonly at: number;
  /** Taken from each CPU since boot; null = not told. */
  readonly stolen: ReadonlyMap<number, number | null>;
  /** How long each thread of the process has waited for a CPU; null = not told, or no process. */
  readonly waited: ReadonlyMap<string, number> | null;
}

function text(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Milliseconds that were taken from a CPU, by /proc/stat; null where it does not say. */
export function stolenMs(stat: string | null, cpu: number): number | null {
  const line = stat?.split('\n').find((row) => row.startsWith(`cpu${cpu} `));
  const jiffies = Number(line?.split(/\s+/)[STEAL]);
  return Number.isFinite(jiffies) ? (jiffies * 1000) / HZ : null;
}

function waitedMs(pid: number | null): ReadonlyMap<string, number> | null {
  if (pid === null) return null;
  try {
    const threads = readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      // Nanoseconds that it ran, and that it waited to run.
      const ns = Number(text(`/proc/${pid}/task/${task}/schedstat`)?.split(' ')[1]);
      return Number.isFinite(ns) ? [[task, ns / 1e6] as const] : [];
    });
    return threads.length === 0 ? null : new Map(threads);
  } catch {
    return null;
  }
}

function look(cpus: readonly number[], pid: number | null): Look {
  const stat = text('/proc/stat');
  return {
    at: performance.now(),
    stolen: new Map(cpus.map((cpu) => [cpu, stolenMs(stat, cpu)])),
    waited: waitedMs(pid),
  };
}

/** Compares two looks: what happened between them, in few words; empty: nothing. */
export function disturbed(before: Look, after: Look): string {
  const window = after.at - before.at;
  const percent = (ms: number) => `${((100 * ms) / window).toFixed(0)} % of the time`;
  const reasons: string[] = [];
  for (const [cpu, to] of after.stolen) {
    const stolen = (to ?? 0) - (before.stolen.get(cpu) ?? to ?? 0);
    if (stolen / window > STOLEN_MOST) reasons.push(`CPU ${cpu} was taken away for ${percent(stolen)}`);
  }
  const waits = [...(after.waited ?? [])].map(([task, ms]) => ms - (before.waited?.get(task) ?? ms));
  const longest = Math.max(0, ...waits);
  if (longest / window > WAITED_MOST) reasons.push(`a thread waited for a CPU for ${percent(longest)}`);
  return reasons.join(', ');
}

/** Looks at CPUs, and at the threads of a process, from now on. */
export class Disturbance {
  private readonly before: Look;

  constructor(
    private readonly cpus: readonly number[],
    private readonly pid: number | null,
  ) {
    this.before = look(cpus, pid);
  }

  /** What happened since then, in few words; empty: nothing. */
  since(): string {
    return disturbed(this.before, look(this.cpus, this.pid));
  }
}

/** What this machine does not tell; empty: it tells everything. */
export function blindness(cpus: readonly number[]): string {
  const { stolen, waited } = look(cpus, process.pid);
  const missing = [
    ...([...stolen.values()].includes(null) ? ['time taken by a hypervisor (/proc/stat)'] : []),
    ...(waited === null ? ['time that threads waited for a CPU (schedstat)'] : []),
  ];
  if (missing.length === 0) return '';
  return `this kernel does not tell ${missing.join(' and ')}: rounds that were disturbed so are not recognised`;
}
