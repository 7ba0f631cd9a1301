/**
 * The typed face of the addon's hash part; `Native` includes it. To hash, use `hash-kernels.ts`.
 *
 * Promise: functions that bind take no arguments and give no result afterwards, the cheapest call that Node-API has
 * (40-60 ns); what changes from burst to burst stands in control words. They never throw and read nothing outside the
 * arrays that they were bound to.
 */

/** What the addon wants to know of a hash. */
export interface NativeHashOptions {
  readonly key: Uint8Array;
  /** One of `hashKernels`. */
  readonly kernel: string;
  /** Index in `SYMMETRIC`. */
  readonly symmetric: number;
  readonly start: number;
  readonly isHalved: boolean;
}

/** The hash part of the addon. Wrong arguments of the functions that bind throw EINVAL. */
export interface NativeHash {
  /** Kernels that this processor can run, the fastest first, `table` last. */
  readonly hashKernels: readonly string[];
  /**
   * A function that hashes the frames of a burst. All arrays stay alive with it; their memory must not be detached.
   * `control` is `KernelWord`, with room for BURST_MAX indices.
   */
  bindBurstHash(
    options: NativeHashOptions & { readonly select: Uint8Array; readonly targets?: Int32Array },
    words: Int32Array,
    bytes: Uint8Array,
    control: Int32Array,
  ): () => void;
  /**
   * A function that hashes packed tuples of `width` bytes (8, 12, 32, 36) into `out`, from index 0: control[1] of
   * them, from tuple control[0] on. Does nothing where that leaves the arrays.
   */
  bindPackedHash(
    options: NativeHashOptions,
    tuples: Uint8Array,
    width: number,
    out: Int32Array,
    control: Int32Array,
  ): () => void;
  /** Hash of any number of bytes that the key covers, signed. */
  toeplitz(key: Uint8Array, input: Uint8Array, start: number): number;
}
