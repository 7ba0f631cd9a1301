/**
 * A program is a list of steps; a CPU runs a packet through it until a step hands the packet on.
 *
 * Promise: a step that only costs time adds to the CPU's debt (`cpu.spend`) and is `isVisible: false`. A step that
 * others can see (a lock, a queue, a wake-up) is visible: the CPU first pays its debt, so that the step happens at the
 * right time. A step that needs several moments is called again with `cpu.phase` as it left it.
 */
import type { Runner } from './context.js';

/** What a step says to the CPU. */
export const Next = {
  /** Go on with the next step. */
  step: 0,
  /** Somebody else resumes this CPU (a lock is granted). */
  wait: 1,
  /** The packet has been handed on or ended: the CPU is free when its debt is paid. */
  done: 2,
  /** Pay the debt, then call this step again. */
  pay: 3,
} as const;

/** One step of a program. Steps are shared by all packets of a program: state of a passage is in `cpu.phase`. */
export interface Step {
  readonly isVisible: boolean;
  /** What it is called where a packet's way is shown. */
  readonly label?: string;
  run(cpu: Runner, packet: number): number;
}
