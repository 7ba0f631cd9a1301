/**
 * Puts a program in charge of the queues of a multi-queue TAP.
 *
 * Promise: from then on the interface chooses the queue by the program's result modulo the number of queues, and learns
 * nothing from what is written; the program goes with the interface.
 *
 * Why: without one tun remembers on which queue a flow was last written and moves the flow's reading side there, so that a
 * forwarder which writes a flow from another worker would reorder it.
 */
import { loadProgram } from '../addon/bpf.js';
import type { Native } from '../addon/native.js';
import type { Program } from '../bpf/assembler.js';

/** False where the kernel refuses the program, or to use it. @param tap a descriptor of the interface */
export function steerTap(native: Native, tap: number, program: Program): boolean {
  try {
    const loaded = loadProgram(native, program);
    // The interface holds the program, and the program its maps.
    const isSet = native.setTapSteering(tap, loaded.program);
    loaded.close();
    return isSet;
  } catch {
    // No right, or a kernel without it: the caller says what follows.
    return false;
  }
}
