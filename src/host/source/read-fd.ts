/** Reads open files whole, into one buffer that is used again. */
import { readSync } from 'node:fs';

/** Largest file: a host with 1152 CPUs has 25 MiB of /proc/interrupts. */
export const FILE_BYTES_MAX = 32 << 20;

/** Kept between files; a larger one is given back. */
const KEPT_BYTES = 64 << 10;
/** Files of /proc come in pieces of any size: a buffer for each would be garbage by the megabyte. */
const kept = Buffer.allocUnsafe(KEPT_BYTES);

/**
 * The text of an open file; only an empty piece is its end. Throws what `readSync` throws, and for one that is too large.
 * @param expected its size where that is known
 */
export function readFd(fd: number, expected = 0): string {
  let size = 0;
  let buffer = kept;
  if (expected >= KEPT_BYTES) buffer = Buffer.allocUnsafe(Math.min(expected, FILE_BYTES_MAX) + 1);
  for (;;) {
    if (size === buffer.length) {
      if (size >= FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
      const larger = Buffer.allocUnsafe(2 * size);
      buffer.copy(larger);
      buffer = larger;
    }
    const count = readSync(fd, buffer, size, buffer.length - size, null);
    if (count === 0) return buffer.toString('utf8', 0, size);
    size += count;
  }
}
