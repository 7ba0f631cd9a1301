/**
 * The program that chooses the receive queue of a forwarder's port by the running policy.
 *
 * Promise: with queue q polled by worker q mod workers, each frame meets the worker that the policy names. The queue is the
 * policy's own where the port has all of them, else the number of the worker. What has no such program says why. Pure.
 */

import type { Program } from '../bpf/assembler.js';
import { ProgramType, Reg } from '../bpf/opcodes.js';
import type { MacSpec } from '../policy/spec.js';
import type { Steering } from '../policy/steering.js';
import { FrameAssembler, type FrameStart } from './frame.js';
import { type NoProgram, policyProgram, queuesOf } from './policy-program.js';

/** The port whose queues are chosen. */
export interface SteeredPort {
  readonly name: string;
  readonly queues: number;
  readonly start: FrameStart;
}

/** What `mac` learns is seen by workers, behind the choice. */
function learningProblem(spec: MacSpec, port: string): string {
  if (spec.uplink.includes(port) || (spec.assign === 'static' && spec.ports[port] === undefined)) return '';
  return `assign=${spec.assign} learns guests from frames that a worker has, and a program chooses before that: assign=static, or uplink=${port}`;
}

/** The program of a port, or why there is none. @param entries the table as it is now, where it was changed since */
export function queueProgram(
  steering: Steering,
  { name, queues, start }: SteeredPort,
  entries: readonly number[] | null = null,
): Program | NoProgram {
  const { spec, workers } = steering;
  if (workers > queues) {
    return { why: `it has ${queues} queues for ${workers} workers: each worker needs one` };
  }
  if (spec.policy === 'mac') {
    const why = learningProblem(spec as MacSpec, name);
    if (why !== '') return { why };
  }
  const own = queuesOf(steering, entries);
  const byWorker = own === null || own > queues;
  return policyProgram(steering, { start, workers: byWorker, ...(entries === null ? {} : { entries }) });
}

/** The program that puts every frame into queue 0. */
export function gatherProgram(): Program {
  const p = new FrameAssembler('data');
  p.set(Reg.r0, 0);
  p.exit();
  return p.finish('rxsteer_gather', ProgramType.socketFilter);
}
