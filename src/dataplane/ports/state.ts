/**
 * The words of receive queues that outlive the worker that polls them: where a source is, how far a ring has been read.
 *
 * Promise: shared memory that a port's kind puts into `PortInfo.data`; what a queue's words mean is the receiver's affair.
 */

/** Words of each receive queue. */
export const STATE_WORDS = 4;

/** Bytes of the words of so many queues. */
export function stateBytes(queues: number): number {
  return queues * STATE_WORDS * Int32Array.BYTES_PER_ELEMENT;
}

/** Words for so many queues, all 0. */
export function makeState(queues: number): SharedArrayBuffer {
  return new SharedArrayBuffer(stateBytes(Math.max(1, queues)));
}

/** The words of one queue. */
export function stateOf(state: SharedArrayBuffer, queue: number): Int32Array {
  return new Int32Array(state, stateBytes(queue), STATE_WORDS);
}
