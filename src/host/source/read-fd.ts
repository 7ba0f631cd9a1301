/** Reads open files, whole or line by line, into one buffer that is used again. `see` reads no file meanwhile. */
import { readSync } from 'node:fs';

/** Largest file: a host with 1152 CPUs has 25 MiB of /proc/interrupts. */
export const FILE_BYTES_MAX = 32 << 20;

/** Files of /proc come in pieces of any size: a buffer for each would be garbage by the megabyte. */
const KEPT_BYTES = 64 << 10;
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

const NEWLINE = 10;

/** The lines of an open file, without the whole of it in memory at any time. Throws as `readFd`, also for a line that is too large. */
export function eachLineOfFd(fd: number, see: (line: string) => void): true {
  let buffer = kept;
  let size = 0;
  let total = 0;
  for (;;) {
    if (size === buffer.length) {
      const larger = Buffer.allocUnsafe(2 * size);
      buffer.copy(larger);
      buffer = larger;
    }
    const count = readSync(fd, buffer, size, buffer.length - size, null);
    if (count === 0) break;
    total += count;
    if (total > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
    const end = size + count;
    let from = 0;
    for (let at = buffer.indexOf(NEWLINE, size); at >= 0 && at < end; at = buffer.indexOf(NEWLINE, from)) {
      see(buffer.toString('utf8', from, at));
      from = at + 1;
    }
    buffer.copy(buffer, 0, from, end);
    size = end - from;
  }
  if (size > 0) see(buffer.toString('utf8', 0, size));
  return true;
}
