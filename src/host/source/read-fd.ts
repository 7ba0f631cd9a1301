/** Reads open files whole, into one buffer that is used again. */
import { readSync } from 'node:fs';

/** Largest file: a host with 1152 CPUs has 25 MiB of /proc/interrupts. */
export const FILE_BYTES_MAX = 32 << 20;

/** Files of /proc come in pieces of any size: a buffer for each would be garbage by the megabyte. */
let buffer = Buffer.allocUnsafe(64 << 10);

/** The text of an open file; only an empty piece is its end. Throws what `readSync` throws, and for one that is too large. */
export function readFd(fd: number): string {
  let size = 0;
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
