/**
 * The addon's reads through io_uring.
 *
 * Promise: see `ReadRing` in native/read_ring.h. One environment's (thread's).
 */

/** Arrays that caller and ring share, as long as the ring has entries at least. */
export interface NativeReadArrays {
  /** In: number of the block that each read wants, and a number of the caller's that comes back. */
  readonly blocks: Float64Array;
  readonly asked: Int32Array;
  /** Out: of each read that is complete: the caller's number, bytes or -errno, CPU on which it was taken. */
  readonly done: Int32Array;
  readonly results: Int32Array;
  readonly cpus: Int32Array;
}

export interface NativeReadRing {
  /** Bytes of the file or device. */
  readonly size: number;
  /** Reads that are not complete. */
  readonly underWay: number;
  /**
   * Begins `count` reads (fewer where the ring has no room) and waits for `least` completions: one system call.
   * Returns how many are complete, or -errno. Never throws.
   */
  run(count: number, least: number): number;
  /** Waits for what is under way. */
  close(): void;
}

export interface NativeRequests {
  /** @throws an error with the errno's name: the file, or an io_uring that is refused */
  ReadRing: new (
    path: string,
    entries: number,
    blockBytes: number,
    direct: boolean,
    polled: boolean,
    arrays: NativeReadArrays,
  ) => NativeReadRing;
}
