/**
 * What a capture file is, by its first bytes: readable by position, or to be decompressed.
 *
 * Promise: no imports of ours, so that a plain file is read without loading the decompressors.
 */
import { fstatSync, readSync } from 'node:fs';

/** How messages name a capture: its path, or `standard input` for `-`. */
export function captureName(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/** Whether the first four bytes begin a zstd frame or a skippable one. */
export function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const [a, b, c, d] = head;
  return (
    (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ||
    (a! >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18)
  );
}

/** Whether the descriptor is that of a regular file that needs no decompression: one that may be read by position. */
export function isPlain(fd: number): boolean {
  if (!fstatSync(fd).isFile()) return false;
  const head = new Uint8Array(4);
  const there = head.subarray(0, readSync(fd, head, 0, 4, 0));
  return !(there[0] === 0x1f && there[1] === 0x8b) && !isZstd(there);
}
