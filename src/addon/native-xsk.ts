/**
 * The addon's face of AF_XDP sockets: sending from staging memory, and receiving and sending with the frame pool.
 *
 * Promise: see `Native`. Source of what the sockets do: Documentation/networking/af_xdp.rst.
 */
import type { NativePool, NativeReceiveArrays, NativeReceiver } from './bursts.js';

/** What receivers that exchange slots with a device need beside their pool. */
export interface NativeLent {
  /** Owner word of each small slot: -tag while the device has it. */
  readonly owner: Int32Array;
  /** Home of each small slot that a device had: worker + 1. */
  readonly home: Int32Array;
  readonly worker: number;
  /** The device's, above 0. */
  readonly tag: number;
}

export interface XskQueueOptions {
  readonly ifindex: number;
  readonly queue: number;
  /** Entries of the receive ring and of the fill ring: powers of two. */
  readonly entries: number;
  readonly fillEntries: number;
  /** XDP_ZEROCOPY; else XDP_COPY. */
  readonly zeroCopy: boolean;
  /** Microseconds that the kernel polls the device inside calls of the poller, which calls whenever it finds nothing; 0 = not at all. */
  readonly busyPollUs: number;
  /**
   * A socket of the same device that has registered the pool; -1: this one does. Sockets of one queue share its fill ring.
   */
  readonly sharedWith: number;
}

/** What a receive socket has counted since it was opened; `dropped` holds what found no slot. */
export interface XskCounts {
  readonly dropped: number;
  readonly ringFull: number;
  readonly fillEmpty: number;
  /** Frames that came with a partial checksum. */
  readonly partial: number;
  /** The kernel has taken up busy polling. */
  readonly busyPolls: boolean;
}

/** AF_XDP. */
export interface NativeXsk {
  /**
   * An AF_XDP socket that sends on a queue of an interface, with `staging` (`xskStagingBytes` long, shared by the
   * workers that use the queue) as its memory. Throws where the kernel has no AF_XDP or the queue is taken (EBUSY).
   * `late`: takes the kernel for one that tells late what it has sent, as older ones do; else that is found out.
   */
  openXskSend(ifindex: number, queue: number, staging: Uint8Array, late?: boolean): number;
  readonly xskStagingBytes: number;
  /** The interface of a socket for sending has another MTU now: frames beyond it are `tooLong`. */
  setXskMtu(fd: number, mtu: number): void;
  /**
   * A socket that receives from a queue of a device into the pool's small slots. Throws EBUSY where the queue is taken, or
   * was until a moment ago.
   */
  openXskQueue(options: XskQueueOptions, pool: NativePool): number;
  /** Gives such a queue slots to receive into: no more, all in all, than its fill ring has entries. */
  giveXskSlots(fd: number, slots: Int32Array): void;
  /**
   * A socket that sends on the queue of such a one, out of the pool. `direct`: the kernel copies frames before a send call
   * returns, so that they need not be. `slots` (1024 at most) are for those that are copied here.
   */
  openXskPoolSend(fd: number, slots: Int32Array, direct: boolean): number;
  xskCounts(fd: number): XskCounts;
  /** Frames that lie in its ring. When no receiver of it runs any more. */
  xskUnread(fd: number): number;
  /** False once its device is gone. */
  xskBound(fd: number): boolean;
  XskReceiver: new (
    fd: number,
    pool: NativePool,
    arrays: NativeReceiveArrays,
    lent: NativeLent,
  ) => NativeReceiver;
}
