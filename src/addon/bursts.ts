/**
 * Bursts as the addon takes and gives them: the pool, the arrays of a receive and of a send call, what each call tells.
 *
 * Promise: plain data and interfaces, no code; the constants are those of native/ports/frames.h. Nothing in `receive` and
 * `send` throws.
 */

/** Frame pool as the addon sees it: see `FramePool`. All sizes in bytes. */
export interface NativePool {
  readonly bytes: Uint8Array;
  readonly smallSlots: number;
  readonly smallBytes: number;
  readonly largeSlots: number;
  readonly largeBytes: number;
  /** Offset of the frame in its slot; the virtio-net header (10 bytes) ends there. */
  readonly headroom: number;
  /** This worker's free slots: word 0 is the count, words 1 … count are slot ids; taken from the top. */
  readonly freeSmall: Int32Array;
  readonly freeLarge: Int32Array;
}

/** The arrays that a receive call fills (those of `Burst`), and its status words. */
export interface NativeReceiveArrays {
  readonly id: Int32Array;
  readonly off: Int32Array;
  readonly len: Int32Array;
  readonly flags: Int32Array;
  /** See `ReceiveStatus`: written by every call. */
  readonly status: Int32Array;
}

/** Words of the status array of a receive call. */
export const ReceiveStatus = {
  /** Why the call stopped early: 0 nothing more to read or `max` reached, 1 no small slot, 2 no large slot. */
  stopped: 0,
  /** Frames of this call that were taken from the kernel but exceed the largest slot (or were truncated). */
  tooLong: 1,
  /** Frames of this call that were taken from the kernel but are unusable (impossible virtio-net header, empty). */
  malformed: 2,
  /**
   * errno of the device when it is down or gone; `RING_DEAD` when the kernel puts nothing into the ring any more and the
   * socket has to be replaced; else 0. Told only where there was nothing to receive.
   */
  error: 3,
  /**
   * Frames that the kernel dropped at this queue's ring and that this call learned of (an idle receiver looks every
   * 100 ms); `packetStatistics` does not tell these again: the sum of both is exact.
   */
  kernelDrops: 4,
  /** Frames of `malformed` whose offload header asks for what nobody sends: too many segments, an unknown type. */
  absurd: 5,
  /** Segments that the frames of this call may be cut into beyond one each. */
  segments: 6,
} as const;
export const RECEIVE_STATUS_WORDS = 7;

/** ESTALE as `ReceiveStatus.error`. */
export const RING_DEAD = 116;

/** The arrays that a send call reads, and the result per frame (`SendResult`). */
export interface NativeSendArrays {
  readonly off: Int32Array;
  readonly len: Int32Array;
  readonly flags: Int32Array;
  readonly result: Uint8Array;
}

/**
 * What became of a frame: `full` = the device had no room, also after the retry; `tooLong` = beyond the MTU;
 * `down` = the interface is down or gone; `refused` = the kernel or the addon finds it impossible (shorter than an
 * Ethernet header, a virtio-net header that contradicts it, outside the pool); `segment` = a super-frame that the port
 * cannot take whole (the device does not segment it, or it is in a tunnel): the call ended there, and everything behind
 * it is `untried`. The caller sends its segments, then what is behind it.
 */
export const SendResult = {
  sent: 0,
  full: 1,
  tooLong: 2,
  down: 3,
  refused: 4,
  segment: 5,
  untried: 6,
} as const;

export interface NativeReceiver {
  /** Takes at most `max` frames into the pool; fills the arrays from index 0; returns the number. */
  receive(max: number): number;
  /** See `Receiver.arm`. */
  arm?(): void;
  close(): void;
}

export interface NativeSender {
  /**
   * Sends the frames at indices from … to-1 in order and writes a `SendResult` for each; a full device gets one
   * bounded retry. Ends at a frame that gets `SendResult.segment`. Returns how many were sent.
   */
  send(from: number, to: number): number;
  close(): void;
}

/** A memory source as the addon sees it: see `MemorySource`, whose frames it makes, and `SourcePlace`. */
export interface NativeSourceOptions {
  /** One cache line a flow, see `SourceTemplates`; ordinary flows first, then elephants. */
  readonly templates: Int32Array;
  readonly ipSums: Int32Array;
  readonly udpSums: Int32Array;
  readonly flows: number;
  readonly elephants: number;
  readonly step: number;
  /** The seed, mixed. */
  readonly seedMix: number;
  readonly index: number;
  readonly round: number;
  readonly place: number;
  readonly flow: number;
  readonly heavyRound: number;
  readonly heavyPlace: number;
  readonly credit: number;
  readonly phase: number;
  readonly heavyShare: number;
  /** Bytes of a frame, 0 = imix. */
  readonly size: number;
  readonly burst: number;
  readonly stamp: boolean;
  /** Infinity = endless. */
  readonly packets: number;
  readonly rate: number;
  /** CLOCK_MONOTONIC in nanoseconds when `performance.now()` of this thread was 0. */
  readonly originNs: number;
}
