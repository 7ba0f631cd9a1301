/**
 * What happened, as running sums: the left sides of the laws.
 *
 * Promise: whole numbers only ever grow; a window's count is the difference of two snapshots.
 */
export class Counters {
  /** Interrupts between CPUs: RPS and remote wake-ups of the host; those of guests. */
  ipis = 0;
  guestIpis = 0;
  /** Packets that RPS or a policy of the host gave to another CPU. */
  handOffs = 0;
  interrupts = 0;
  wakeups = 0;
  /** Exits from guest mode, and those of them that end in user space. */
  exits = 0;
  userExits = 0;
  remoteLines = 0;
  copiedBytes = 0;
  contextSwitches = 0;
  kicks = 0;
  polls = 0;
  softirqRuns = 0;
  squeezes = 0;

  /** A copy of the present values. */
  snapshot(): CounterValues {
    return { ...this };
  }
}

/** Values of all counters. */
export type CounterValues = { [K in keyof Counters as Counters[K] extends number ? K : never]: number };

/** The difference of two snapshots. */
export function since(now: CounterValues, before: CounterValues): CounterValues {
  const result = { ...now };
  for (const key of Object.keys(result) as (keyof CounterValues)[]) result[key] = now[key] - before[key];
  return result;
}
