/**
 * What a port is to a worker: receivers (one per receive queue that the worker polls) and a sender.
 *
 * Promise: the same interface for kernel interfaces, TAPs, memory and captures, so that the worker loop and all
 * of the accounting exist once. Calls are per burst. Objects belong to the worker thread that made them; whatever
 * has to survive that thread lies in shared memory.
 */

import type { CaptureSpool } from '../../capture/spool.js';
import type { SourceRules } from '../../mac/source-rules.js';
import { LARGE_SLOT_BYTES } from '../memory/layout.js';
import type { NativeReceiveArrays, NativeSendArrays } from '../../addon/native.js';
import type { MemorySourceOptions } from './memory/options.js';

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
  /**
   * Sends frames from … to-1 in order, a `SendResult` for each; returns how many were taken. Ends at a frame that gets
   * `SendResult.segment`: that one's segments are to be sent next, then those behind it (`untried`).
   */
  send(from: number, to: number): number;
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

/** Description of an open port, made by the main thread and posted to the workers (structured clone). */
export interface PortInfo {
  readonly index: number;
  /** Tells ports apart that have had the same index. */
  readonly generation: number;
  /** The port was closed; its place may be taken by another. It has no queues, no source and no sink. */
  readonly removed: boolean;
  /** Numbers of its first receive queue and of its first transmit queue among those of all ports. */
  readonly firstQueue: number;
  readonly firstLock: number;
  readonly name: string;
  readonly kind: 'af_packet' | 'tap' | 'pcap' | 'memory';
  /** Receive queues. 0 for sinks and writers. */
  readonly rxQueues: number;
  /** The addresses that whoever is behind the port may use; absent = any. */
  readonly sources?: SourceRules;
  /** Queue q is polled by worker (firstPoller + q) mod workers, see `deal.ts`; -1 = not dealt yet. */
  readonly firstPoller: number;
  /** Transmit queues; worker w uses queue w mod txQueues, shared through a lock when workers > txQueues. 0 = can't send. */
  readonly txQueues: number;
  /** Super-frames and partial checksums may be given to the device. */
  readonly offload: boolean;
  /** Copies a second that floods of frames from this port may cost, see `FloodBudget`; 0 or absent = no limit. */
  readonly flood?: number;
  /** Where the frames of a memory source or a capture come from; null for live ports and for sinks. */
  readonly source:
    | { readonly kind: 'memory'; readonly options: MemorySourceOptions; readonly finite: boolean }
    | { readonly kind: 'capture'; readonly spool: CaptureSpool; readonly finite: true }
    | null;
  /** Where frames go that are delivered; null for live ports and for sources. */
  readonly sink:
    | {
        readonly kind: 'memory';
        /** Histogram of every sender, see `latency.ts`; null where ages are not counted. */
        readonly latency: SharedArrayBuffer | null;
        /** A guest's receive queues, which frames are copied into; null where frames are only counted. */
        readonly guest: SharedArrayBuffer | null;
      }
    | { readonly kind: 'capture'; readonly path: string }
    | null;
  /** Staging memory of the AF_XDP socket of each transmit queue; empty where there is none. */
  readonly staging: readonly SharedArrayBuffer[];
  /**
   * `STATE_WORDS` words per receive queue in shared memory, kept across worker restarts: the position of a source; or
   * the position in the kernel's ring, and which ring that is; or the length of the frame in a TAP queue's spare. A TAP's
   * spares follow (`spareOffset`).
   */
  readonly state: SharedArrayBuffer;
}

/** Words of `PortInfo.state` for each receive queue. */
export const STATE_WORDS = 4;

/** Where the spare of a TAP's queue lies in its `PortInfo.state`: a slot for a frame read while no large one was free. */
export function spareOffset(queues: number, queue: number): number {
  return queues * STATE_WORDS * Int32Array.BYTES_PER_ELEMENT + queue * LARGE_SLOT_BYTES;
}
