/**
 * The decoder of capture files: it is given a window of bytes and fills a batch; it does no I/O, so that one
 * decoder serves streams, files and worker threads.
 *
 * Promise: reads nothing outside the window, believes no length before it was checked, allocates nothing that
 * depends on a length field. Damage ends the capture with a reason (`damage`); packets before it have been given.
 *
 * Protocol: `decode(bytes, start, end, batch)` returns the bytes it has consumed; it adds to the batch until that is
 * full or the next record is not wholly in the window. `need` then says how many bytes from there the record takes.
 * `skip` bytes that follow the consumed ones are of no interest and may be passed over unread.
 */
import type { CaptureBatch } from './format.js';

export interface Decoder {
  /** Bytes that the next record needs to be in the window at once, at least. */
  need: number;
  /** Bytes after the consumed ones to pass over. */
  skip: number;
  /** Why the rest is unreadable; empty while all is well. */
  damage: string;
  /** The link type of the first interface, or -1 while unknown. */
  readonly linkType: number;
  /** Packets left out: unsupported link type (the first such), or no such interface. */
  skipped: number;
  skippedLinkType: number;
  decode(bytes: Uint8Array, start: number, end: number, batch: CaptureBatch): number;
}

/** Bytes by which a format is known. */
export const MAGIC_BYTES = 4;
