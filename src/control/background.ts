/**
 * Long computations of the main thread that no worker shall wait for.
 *
 * Promise: while `run` runs, this thread has a low priority, where it is permitted to take its own back afterwards
 * (root, CAP_SYS_NICE, RLIMIT_NICE); else nothing is changed. Workers keep theirs: on Linux a priority is a thread's,
 * and a thread inherits it only when it is made, so `run` must not be asynchronous.
 */
import { getPriority, setPriority } from 'node:os';

/** Whoever has work to do on the same CPU gets ten times as much of it (sched(7): 1024 to 110). */
const BACKGROUND = 10;

let permitted: boolean | null = null;

/** May this thread raise its priority? Tried once, by a step up and back. */
function mayRaise(normal: number): boolean {
  try {
    setPriority(0, normal - 1);
    setPriority(0, normal);
    return true;
  } catch {
    return false;
  }
}

/** Runs a synchronous function at low priority; its result. */
export function inBackground<T>(run: () => T): T {
  const normal = getPriority(0);
  permitted ??= process.platform === 'linux' && normal > -20 && mayRaise(normal);
  if (!permitted || normal >= BACKGROUND) return run();
  setPriority(0, BACKGROUND);
  try {
    return run();
  } finally {
    setPriority(0, normal);
  }
}
