/**
 * What workers know of a TAP: the layout of `PortInfo.data`.
 *
 * Promise: shared by the main thread, which writes the descriptors, and the workers, which read them.
 */
import { LARGE_SLOT_BYTES } from '../../memory/layout.js';
import { stateBytes } from '../state.js';

export interface TapData {
  /** A descriptor per queue, for both directions; -1 = none. */
  readonly fds: SharedArrayBuffer;
  /** Words of the queues: the length of the frame in the queue's spare (0 = none). The spares lie behind them. */
  readonly state: SharedArrayBuffer;
  /** Super-frames and partial checksums may be given to it. */
  readonly offload: boolean;
}

/** Bytes of `TapData.state` for so many queues. */
export function tapStateBytes(queues: number): number {
  return stateBytes(queues) + queues * LARGE_SLOT_BYTES;
}

/** Length of the frame in the spare of a queue, of the queue's words; 0: none. */
export function spareLength(words: Int32Array): number {
  return Atomics.load(words, 0);
}

/** The spare of a queue: a slot for a frame that was read while no large one was free. */
export function spareOf(state: SharedArrayBuffer, queues: number, queue: number): Uint8Array {
  return new Uint8Array(state, stateBytes(queues) + queue * LARGE_SLOT_BYTES, LARGE_SLOT_BYTES);
}
