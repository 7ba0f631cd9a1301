/**
 * The program that chooses the receive queue of a forwarder's port by the running policy.
 *
 * Promise: with queue q polled by worker q mod workers, each frame meets the worker that the policy names. The queue is the
 * policy's own where the port has all of them, else the number of the worker; of AF_XDP it is the worker's socket at the
 * device's queue. What `mac` has learned is in the program as it was when that was made. What has no such program says why.
 * Pure.
 */
import type { Program } from '../bpf/assembler.js';
import { ProgramType, Reg } from '../bpf/opcodes.js';
import type { Steering } from '../policy/steering.js';
import { FrameAssembler, type FrameStart } from './frame.js';
import { type NoProgram, policyProgram, queuesOf } from './policy-program.js';
import { xskProgram } from './xsk-program.js';

/** The queues that are chosen. */
export interface QueueChoice {
  /** The program chooses one of so many. */
  readonly among: number;
  /** Queues of the port: so many for each receive queue of the device, where the program is in front of AF_XDP. */
  readonly queues: number;
  readonly start: FrameStart;
}

/** The port whose queues are chosen. */
export interface SteeredPort extends QueueChoice {
  /** Its number among the ports. */
  readonly index: number;
}

/** The program of a port, or why there is none. @param entries the table as it is now, where it was changed since */
export function queueProgram(
  steering: Steering,
  { index, among, queues, start }: SteeredPort,
  entries: readonly number[] | null = null,
): Program | NoProgram {
  if (steering.workers > among) {
    return { why: `it has ${among} queues for ${steering.workers} workers: each worker needs one` };
  }
  const own = queuesOf(steering, entries);
  const isXdp = start === 'xdp';
  const outlet = isXdp
    ? ({ to: 'sockets', queues: queues / among, each: among } as const)
    : ({ to: 'result' } as const);
  const workers = isXdp || own === null || own > among;
  return policyProgram(steering, {
    ...{ start, workers, outlet, port: index },
    ...(entries === null ? {} : { entries }),
  });
}

/** The program that puts every frame into queue 0, or into the first one of its queue of the device. */
export function gatherProgram({ among, queues, start }: QueueChoice): Program {
  if (start === 'xdp') return xskProgram(queues / among, among);
  const p = new FrameAssembler('data');
  p.set(Reg.r0, 0);
  p.exit();
  return p.finish('rxsteer_gather', ProgramType.socketFilter);
}
