/**
 * What all threads know of an open port.
 *
 * Promise: plain data, made by the main thread when the port opens, posted to the workers by structured clone.
 */
import type { CaptureSpool } from '../../capture/spool.js';
import type { SourceRules } from '../../mac/source-rules.js';
import { LARGE_SLOT_BYTES } from '../memory/layout.js';
// biome-ignore lint/style/noRestrictedImports: a type only, of the one source that workers make from its options
import type { MemorySourceOptions } from '../ports/memory/options.js';

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
  /** The addresses that the guest or host behind the port may use; absent = any. */
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
