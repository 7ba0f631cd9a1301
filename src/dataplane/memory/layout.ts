/**
 * Sizes and offsets of the shared memory that all workers see, and how it is allocated and attached.
 *
 * Promise: pure arithmetic; every structure that two threads share is a view made here, so that the layout is
 * known in one place. JavaScript allocates (and keeps alive), the addon only gets the views.
 *
 * Words that different threads write lie at least `LINE_WORDS` apart: 128 bytes, because adjacent-line prefetch
 * makes 64-byte neighbours interfere.
 */

/** 128 bytes in 32-bit words. */
export const LINE_WORDS = 32;

/** Bytes of a small slot: a 1518-byte frame with two VLAN tags and the headroom fit well. */
export const SMALL_SLOT_BYTES = 2048;
/** Bytes of a large slot: 65,535 bytes, an Ethernet header, two re-inserted VLAN tags and the headroom, in whole KiB. */
export const LARGE_SLOT_BYTES = 66 * 1024;
/** Offset of the frame inside its slot; the virtio-net header ends there. */
export const HEADROOM = 64;
/** Longest frame that fits into a slot of each class. */
export const SMALL_FRAME_MAX = SMALL_SLOT_BYTES - HEADROOM;
export const LARGE_FRAME_MAX = LARGE_SLOT_BYTES - HEADROOM;

/** Slots of a worker's warm-up, beyond the pool: two bursts. */
export const PRACTICE_SLOTS = 128;

/** Smallest power of two >= n. */
export function powerOfTwoAtLeast(n: number): number {
  let p = 1;
  while (p < n) p *= 2;
  return p;
}

/** Words behind the last index that `maskBelow` gives: what is masked may be the start of so many. */
export const MASK_SPARE = LINE_WORDS;

/**
 * Length of an array of at least `words` words in which no index goes beyond the end that is masked with
 * `maskBelow(length)`, nor one of the next `MASK_SPARE - 1`. V8 leaves out bounds checks for those.
 */
export function maskedLength(words: number): number {
  return powerOfTwoAtLeast(words) + MASK_SPARE;
}

/** The mask for indices into an array of a length that `maskedLength` gave. */
export function maskBelow(length: number): number {
  return length - MASK_SPARE - 1;
}

/**
 * Where the first piece begins: C libraries put 16 bytes of their own before a large block, so that the pieces begin
 * with cache lines. Else the last entry of a burst shares a line with the first one of the next, which is being
 * written while the other worker reads (measured: a quarter of a ring's time).
 */
const FIRST_BYTE = 64 - 16;

/** Hands out consecutive, line-aligned pieces of one SharedArrayBuffer. Two passes: measure, then carve. */
export class Carver {
  private at = FIRST_BYTE;
  constructor(private readonly buffer: SharedArrayBuffer | null) {}

  /** Bytes handed out so far. */
  get bytes(): number {
    return this.at;
  }

  private take(bytes: number): number {
    const start = this.at;
    this.at += Math.ceil(bytes / (LINE_WORDS * 4)) * LINE_WORDS * 4;
    return start;
  }

  words(length: number): Int32Array {
    const start = this.take(length * 4);
    return this.buffer === null ? EMPTY_WORDS : new Int32Array(this.buffer, start, length);
  }

  doubles(length: number): Float64Array {
    const start = this.take(length * 8);
    return this.buffer === null ? EMPTY_DOUBLES : new Float64Array(this.buffer, start, length);
  }
}

const EMPTY_WORDS = new Int32Array(0);
const EMPTY_DOUBLES = new Float64Array(0);

/** Runs `carve` once to measure and once on a fresh buffer; returns the buffer (post it to other threads). */
export function allocateShared(carve: (carver: Carver) => unknown): SharedArrayBuffer {
  const measure = new Carver(null);
  carve(measure);
  return new SharedArrayBuffer(Math.max(measure.bytes, 8));
}
