/**
 * One decision, told with the packet that it was about.
 *
 * Promise: decided by the functions that steer. Loads no policy: whoever has a compiled one needs no other.
 */
import { Burst } from '../packet/burst.js';
import { describeFrame, type FrameDescription } from '../packet/describe.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Decision, Steering } from './steering.js';

/** A decision, and the packet that it was about. */
export interface Explanation extends Decision {
  readonly packet: FrameDescription;
}

/** What was decided about frame `i` of a steered burst, and why: the fields of `rxsteer explain --json`. */
export function explainAt(steering: Steering, burst: Burst, i: number): Explanation {
  const { hash, bucket, queue, worker, reason } = steering.decision(burst, i);
  return { packet: describeFrame(burst, i), hash, bucket, queue, worker, reason };
}

/** Steers one Ethernet frame: `explainAt` of it. */
export function explainFrame(steering: Steering, frame: Uint8Array): Explanation {
  const burst = new Burst(frame);
  burst.add(0, frame.length);
  dissectBurst(burst);
  steering.steer(burst);
  return explainAt(steering, burst, 0);
}
