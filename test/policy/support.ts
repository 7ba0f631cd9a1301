/** Frames and bursts for policy tests. */
import { concatBytes } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { type ParseOptions, parsePolicy } from '#rxsteer/policy/parse.js';
import type { CompileOptions, Steering } from '#rxsteer/policy/steering.js';

/** A dissected burst of these frames, received on a port. */
export function burstOf(frames: readonly Uint8Array[], port = 0): Burst {
  const burst = new Burst(concatBytes(...frames));
  burst.port = port;
  let at = 0;
  for (const frame of frames) {
    burst.add(at, frame.length);
    at += frame.length;
  }
  dissectBurst(burst);
  return burst;
}

export function policy(given: string | object, options: CompileOptions & ParseOptions = {}): Steering {
  const { command, ...compile } = options;
  return compilePolicy(parsePolicy(given, command === undefined ? {} : { command }), compile);
}

/** The steered burst. */
export function steer(steering: Steering, frames: readonly Uint8Array[], port = 0): Burst {
  const burst = burstOf(frames, port);
  steering.steer(burst);
  return burst;
}

/** The workers that the frames went to. */
export function workersOf(steering: Steering, frames: readonly Uint8Array[], port = 0): number[] {
  return Array.from(steer(steering, frames, port).worker.subarray(0, frames.length));
}
