/** The XDP program of a policy: frames go to the CPU of their worker by a CPU map. */
import type { Program } from '../../bpf/assembler.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import type { Steering } from '../../policy/steering.js';
import { isProgram, policyProgram } from '../../programs/policy-program.js';

/** Frames that wait for a CPU at most (each entry of the CPU map has a ring of so many). */
export const CPU_QUEUE_FRAMES = 512;

/** The program, or why there is none. */
export function xdpProgram(steering: Steering, isTrial: boolean) {
  const outlet = isTrial
    ? ({ to: 'result' } as const)
    : ({ to: 'cpus', cpus: steering.workers, frames: CPU_QUEUE_FRAMES } as const);
  return policyProgram(steering, { start: 'xdp', workers: true, outlet });
}

/** For a process that has the policy's text only. */
export async function xdpForCpus(policy: string, workers: number): Promise<Program> {
  const made = xdpProgram(compilePolicy(parsePolicy(policy), { workers }), false);
  if (!isProgram(made)) throw new Error(made.why);
  return made;
}
