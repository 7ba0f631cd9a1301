/**
 * What a policy says of a corpus, by the code that steers everywhere else.
 *
 * Promise: one answer a frame, in their order; the policy sees the frames once. One thread.
 */
import { BURST_MAX, Burst } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Steering } from '../policy/steering.js';
import type { Corpus } from './corpus.js';

/** Queues (where the policy has them) and workers, by frame. */
export interface Answers {
  readonly queues: Int32Array;
  readonly workers: Int32Array;
}

/** Asks the policy about every frame. */
export function answersOf(steering: Steering, { bytes, offsets }: Corpus): Answers {
  const count = offsets.length - 1;
  const queues = new Int32Array(count);
  const workers = new Int32Array(count);
  // Loads of whole words may reach behind a frame: never behind the memory.
  const padded = new Uint8Array(bytes.length + 64);
  padded.set(bytes);
  const burst = new Burst(padded);
  for (let from = 0; from < count; from += BURST_MAX) {
    burst.n = 0;
    const to = Math.min(from + BURST_MAX, count);
    for (let i = from; i < to; i++) burst.add(offsets[i]!, offsets[i + 1]! - offsets[i]!);
    dissectBurst(burst);
    steering.steer(burst);
    queues.set(burst.rxq.subarray(0, burst.n), from);
    workers.set(burst.worker.subarray(0, burst.n), from);
  }
  return { queues, workers };
}

/** One line about a frame on which two do not agree. */
export function difference(corpus: Corpus, i: number, policy: number, target: number): string {
  const frame = corpus.bytes.subarray(corpus.offsets[i]!, corpus.offsets[i + 1]!);
  const hex = Buffer.from(frame.subarray(0, 64)).toString('hex');
  const more = frame.length > 64 ? '…' : '';
  return `policy ${policy}, target ${target}: ${hex}${more} (${frame.length} bytes)`;
}
