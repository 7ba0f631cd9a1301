/**
 * What a port is to a worker: receivers (one per receive queue that the worker polls) and a sender.
 *
 * Promise: the same interface for kernel interfaces, TAPs, memory and captures, so that the worker loop and all
 * of the accounting exist once. Calls are per burst. Objects belong to the worker thread that made them; whatever
 * has to survive that thread lies in shared memory.
 */

import type { NativeReceiveArrays, NativeSendArrays } from '../../addon/native.js';

export type ReceiveArrays = NativeReceiveArrays;
export type SendArrays = NativeSendArrays;

/** One receive queue. */
export interface Receiver {
  /**
   * Takes at most `max` frames into free slots of the pool and fills the arrays from index 0; the caller writes the
   * slots' owner words. Writes the status words (`ReceiveStatus`). Never throws, never blocks.
   */
  receive(max: number): number;
  /** Descriptor to wait on, or -1 (memory and captures). */
  readonly descriptor: number;
  /** Asking in vain costs no system call: its frames lie in memory that is shared with whoever brings them. */
  readonly cheap?: boolean;
  /**
   * Before `descriptor` is waited for: it is readable as soon as there is a frame, also one that is there already. Between
   * the first frame and this call nobody is asked to make it readable, which costs whoever sends a system call.
   */
  arm?(): void;
  /**
   * What is not taken waits at its sender, who hears of it when there is no more room: nothing is lost by leaving it there
   * (`worker/back-pressure.ts`). Absent: a device or kernel drops it sooner or later.
   */
  readonly waits?: boolean;
  /** True when a finite source has given everything. */
  finished(): boolean;
  /**
   * Milliseconds until the next frame is due, for sources that are not descriptors: 0 = now, Infinity = not
   * before something else happens. `now` is `performance.now()`.
   */
  dueInMs(now: number): number;
  /** What went wrong with the source so far (a damaged capture), one line, or null. */
  warning?(): string | null;
  close(): void;
}

/** The transmit side of a port as one worker sees it. */
export interface Sender {
  /** Arrays that `send` reads; the worker fills them. */
  readonly arrays: SendArrays;
  /** Frames with partial checksums and GSO super-frames may be given to it as they are. */
  readonly offload: boolean;
  /** True for sinks and capture writers: a frame given to it is `delivered`, not `transmitted`. */
  readonly delivers: boolean;
  /** Transmit queue of the port that it sends to; absent: that of its worker's number. See `PortInfo.choosesQueue`. */
  readonly txQueue?: number;
  /**
   * Sends frames from … to-1 in order, a `SendResult` for each; returns how many were taken. Ends at a frame that gets
   * `SendResult.segment`: that one's segments are to be sent next, then those behind it (`untried`).
   */
  send(from: number, to: number): number;
  /**
   * Of a port whose queues have readers of their own (`LivePort.placeReaders`): the worker + 1 on whose CPU the reader of
   * the frame at `offset` runs, 0 where that is not known. For frames that `send` took. Absent: `EngineViews.consumers`.
   */
  readerOf?(offset: number, length: number): number;
  /** Why frames could not be delivered (a full disk), one line, or null. */
  problem?(): string | null;
  close(): void;
}

/** Frames that one send call takes at most. */
export const SEND_MAX = 256;
/** Further places of the arrays, from `SEND_MAX` on: segments that are sent while others wait their turn. */
export const SEND_SEGMENTS = 64;

export function makeSendArrays(): SendArrays {
  return {
    off: new Int32Array(SEND_MAX + SEND_SEGMENTS),
    len: new Int32Array(SEND_MAX + SEND_SEGMENTS),
    flags: new Int32Array(SEND_MAX + SEND_SEGMENTS),
    result: new Uint8Array(SEND_MAX + SEND_SEGMENTS),
  };
}
