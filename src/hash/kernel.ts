/**
 * What hashes a whole burst in one call: the face of the native kernels, without knowing them.
 *
 * Promise of every implementation: the values of the byte tables, to the bit, for every key, start value and
 * transform; nothing is allocated by a run; nothing outside the pool is read. Who wants a kernel is given
 * `HashKernels` (the data plane has them); this layer imports nothing above it. A bound kernel belongs to the
 * thread that bound it.
 */
import { UserError } from '../errors.js';
import type { Symmetric } from './tuple-hash.js';

/** What to hash with. */
export interface KernelOptions {
  /** As the device uses it; 16 bytes at least, 40 where a type of IPv6 is selected. */
  readonly key: Uint8Array;
  readonly start: number;
  readonly symmetric: Symmetric;
  /** The low 16 bits in both halves. */
  readonly isHalved: boolean;
  /** `select[kind & 0xffff]` is the hash type of a packet (`selectionByKind`). */
  readonly select: Uint8Array;
  /**
   * Queue and worker of each bucket, a power of two of them: the kernel then writes bucket, rxq and worker too, of all
   * frames that it does not leave. Read by every run, so it may be changed in between.
   */
  readonly targets?: Int32Array;
}

/** A word of `targets`: the queue above, the worker below. */
export const TARGET_SHIFT = 12;

/** Words that a caller and a bound kernel talk by. */
export const KernelWord = {
  /** In: frames 0 … count - 1 are hashed. */
  count: 0,
  /** Out: how many frames the kernel left to the caller, types that it does not hash. */
  left: 1,
  /** Out: their indices. */
  list: 2,
} as const;

/** A kernel for one key and the arrays of one burst. */
export interface BoundKernel {
  /** See `KernelWord`. */
  readonly control: Int32Array;
  /** Writes hash and hash type of the frames into the burst's words, for all that it does not leave. Never throws. */
  readonly run: () => void;
}

/** The kernels of this machine. */
export interface HashKernels {
  /** Name of the kernel that `bind` takes. */
  readonly name: string;
  /** Frames in a burst from which on a call pays; below, the byte tables win. */
  readonly leastFrames: number;
  /**
   * Prepares a kernel for a burst object. Not for the hot path.
   * @param words `Burst.words`.
   * @param bytes `Burst.bytes`, not to be detached while the kernel is in use.
   */
  bind(options: KernelOptions, words: Int32Array, bytes: Uint8Array): BoundKernel;
}

/** Which code hashes bursts: `auto` takes what is faster for the burst at hand. */
export const IMPLEMENTATIONS = ['auto', 'table', 'native'] as const satisfies readonly Implementation[];
/** One of `IMPLEMENTATIONS`. */
export type Implementation = 'auto' | 'table' | 'native';

/**
 * The kernels to use, or null for the tables.
 * @param offered what there is; a string says why there is nothing; undefined where nobody looked.
 * @throws UserError for `native` where there is none, naming `place`
 */
export function chooseKernels(
  wanted: Implementation | undefined,
  offered: HashKernels | string | undefined,
  place: string,
): HashKernels | null {
  if (wanted === 'native') {
    if (typeof offered === 'string') {
      throw new UserError(`${place}: native: ${offered}; auto and table work without it`);
    }
    return offered === undefined
      ? null
      : { name: offered.name, leastFrames: 1, bind: offered.bind.bind(offered) };
  }
  return wanted === 'table' || typeof offered !== 'object' ? null : offered;
}
