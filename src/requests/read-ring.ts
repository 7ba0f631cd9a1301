/**
 * Real requests: reads of a file or a block device through an io_uring of the calling thread's own.
 *
 * Promise: `burst` makes one system call. Requests are told apart by a number of the caller's, a tenant's for example;
 * completions come in any order. A ring belongs to the thread that opened it; a steering policy decides which thread's ring
 * a tenant's requests go to (examples/io-uring-reads.mjs).
 */
import { loadNative, nativeProblem } from '../addon/native.js';
import type { NativeReadArrays, NativeReadRing } from '../addon/native-requests.js';
import { UserError } from '../errors.js';

/** How a ring is opened. */
export interface ReadRingOptions {
  /** Reads under way at most: 1 to 4096, default 64. */
  readonly entries?: number;
  /** Bytes of a read: a power of two from 512 to 1 MiB, default 4096. */
  readonly blockBytes?: number;
  /** Past the page cache (`O_DIRECT`). Default false. */
  readonly direct?: boolean;
  /** Completions are polled for (`IORING_SETUP_IOPOLL`): needs `direct` and a device with poll queues. Default false. */
  readonly polled?: boolean;
}

/**
 * An io_uring of the thread that opened it: `burst` submits what is asked for and collects what is done, one system call.
 * Only its thread may use it.
 */
export class ReadRing {
  /** Bytes of the file or device, and whole blocks in it. */
  readonly size: number;
  readonly blocks: number;
  readonly entries: number;
  /** Of what the last `burst` completed: the caller's number, bytes read or -errno, CPU of this thread then. */
  readonly done: Int32Array;
  readonly results: Int32Array;
  readonly cpus: Int32Array;
  /** In for `burst`: number of the block, and the caller's number. */
  readonly wanted: Float64Array;
  readonly asked: Int32Array;
  readonly #ring: NativeReadRing;

  /** @throws UserError where the addon, the file or io_uring is missing or refused, one line */
  constructor(path: string, options: ReadRingOptions = {}) {
    const { entries = 64, blockBytes = 4096, direct = false, polled = false } = options;
    if (!Number.isInteger(entries) || entries < 1 || entries > 4096) {
      throw new UserError(`entries ${String(entries)}: wanted a whole number from 1 to 4096`);
    }
    if (
      !Number.isInteger(blockBytes) ||
      blockBytes < 512 ||
      blockBytes > 1 << 20 ||
      (blockBytes & (blockBytes - 1)) !== 0
    ) {
      throw new UserError(`blockBytes ${String(blockBytes)}: wanted a power of two from 512 to 1048576`);
    }
    const native = loadNative();
    if (native === null) throw new UserError(`reads: ${nativeProblem()}`, { code: 'RXS_NO_ADDON' });
    const words = () => new Int32Array(entries);
    const arrays: NativeReadArrays = {
      ...{ blocks: new Float64Array(entries), asked: words() },
      ...{ done: words(), results: words(), cpus: words() },
    };
    try {
      this.#ring = new native.ReadRing(path, entries, blockBytes, direct, polled, Object.freeze(arrays));
    } catch (error) {
      throw new UserError((error as Error).message, { code: 'RXS_SYSTEM', cause: error });
    }
    this.wanted = arrays.blocks;
    this.asked = arrays.asked;
    this.done = arrays.done;
    this.results = arrays.results;
    this.cpus = arrays.cpus;
    this.entries = entries;
    this.size = this.#ring.size;
    this.blocks = Math.floor(this.size / blockBytes);
  }

  /** Reads that are not complete. */
  get underWay(): number {
    return this.#ring.underWay;
  }

  /**
   * Begins `count` reads (`wanted`, `asked`; fewer where the ring has no room) and waits until `least` are complete: one
   * system call. Returns how many are (`done`, `results`, `cpus`), or -errno where the call failed. Never throws.
   */
  burst(count: number, least: number): number {
    return this.#ring.run(count, least);
  }

  /** Waits for what is under way and gives everything back; then `burst` says -EBADF. */
  close(): void {
    this.#ring.close();
  }
}

/** Opens a ring in this thread. @throws UserError, see `ReadRing` */
export function openReadRing(path: string, options: ReadRingOptions = {}): ReadRing {
  return new ReadRing(path, options);
}
