/**
 * CPU time of processes and of cores.
 *
 * Promise: process time is exact (the scheduler's own nanoseconds, softirqs that ran inside included, as the kernel
 * charges them); core time is elapsed minus idle, where the kernel accounts idle time exactly (tickless) and shows
 * it in hundredths of a second.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds that all threads of a process have run. Threads that ended in between are not counted. */
export function processNs(pid: number): number {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) total += threadNs(pid, task);
  return total;
}

function threadNs(pid: number, task: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return 0;
  }
}

/** The thread of a process that has run most since `before` (by task id); its id. */
export function busiestThread(pid: number, before: ReadonlyMap<string, number>): number {
  let best = '';
  let most = -1;
  for (const [task, ns] of threadTimes(pid)) {
    const ran = ns - (before.get(task) ?? 0);
    if (ran > most) {
      most = ran;
      best = task;
    }
  }
  return Number(best);
}

export function threadTimes(pid: number): Map<string, number> {
  return new Map(readdirSync(`/proc/${pid}/task`).map((task) => [task, threadNs(pid, task)]));
}

/** Idle nanoseconds of a core since boot. */
export function idleNs(cpu: number): number {
  const line = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .find((row) => row.startsWith(`cpu${cpu} `));
  if (line === undefined) throw new Error(`there is no CPU ${cpu}`);
  const fields = line.split(/\s+/).map(Number);
  // user nice system idle iowait …; USER_HZ is 100 on every architecture that Node runs on.
  return (fields[4]! + fields[5]!) * 1e7;
}
