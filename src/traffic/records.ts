/**
 * Capture records in place: headers around frames that already lie in the write buffer.
 *
 * Promise: pcap with microseconds or nanoseconds, little-endian, and pcapng with one Ethernet interface and
 * nanoseconds; what `CaptureWriter` writes, byte by byte, without its copy.
 */

import { PACKET_BYTES_MAX } from '../capture/format.js';
import { UserError } from '../errors.js';

/** Formats that are written. */
export const MADE_FORMATS = ['pcap', 'pcap-us', 'pcapng'] as const;
/** `pcap` has nanoseconds, `pcap-us` microseconds. */
export type MadeFormat = (typeof MADE_FORMATS)[number];

/** The format of a file by its name. @throws UserError for a format that does not exist. */
export function formatOf(path: string, given: string | undefined, place: string): MadeFormat {
  if (given === undefined) return /\.pcapng(\.gz)?$/i.test(path) ? 'pcapng' : 'pcap';
  const format = MADE_FORMATS.find((name) => name === given);
  if (format !== undefined) return format;
  throw new UserError(`${place}: "${given}": expected one of ${MADE_FORMATS.join(', ')}`);
}

/** Writes records of one format. */
export class RecordEncoder {
  /** Bytes in front of each frame. */
  readonly head: number;
  /** Bytes behind each frame at most. */
  readonly tail: number;

  constructor(readonly format: MadeFormat) {
    this.head = format === 'pcapng' ? 28 : 16;
    this.tail = format === 'pcapng' ? 7 : 0;
  }

  /** What the file begins with. */
  fileHeader(): Uint8Array {
    const words =
      this.format === 'pcapng'
        ? [0x0a0d0d0a, 28, 0x1a2b3c4d, 1, -1, -1, 28, 1, 32, 1, PACKET_BYTES_MAX, 9 | (1 << 16), 9, 0, 32]
        : [this.format === 'pcap' ? 0xa1b23c4d : 0xa1b2c3d4, 2 | (4 << 16), 0, 0, PACKET_BYTES_MAX, 1];
    const view = new DataView(new ArrayBuffer(words.length * 4));
    words.forEach((word, i) => {
      view.setInt32(i * 4, word, true);
    });
    return new Uint8Array(view.buffer);
  }

  /**
   * Completes the record at `at`, whose frame of `length` bytes lies at `at + head`; gives the record's length.
   * Time: whole seconds since 1970 and nanoseconds.
   */
  finish(
    view: DataView,
    at: number,
    length: number,
    original: number,
    seconds: number,
    nanoseconds: number,
  ): number {
    if (this.format !== 'pcapng') {
      const fraction = this.format === 'pcap' ? nanoseconds : Math.floor(nanoseconds / 1000);
      view.setUint32(at, seconds, true);
      view.setUint32(at + 4, fraction, true);
      view.setUint32(at + 8, length, true);
      view.setUint32(at + 12, original, true);
      return 16 + length;
    }
    const total = (32 + length + 3) & ~3;
    // Ticks are nanoseconds: seconds * 10^9 + nanoseconds in two halves, by parts below 2^53.
    const low = (seconds % 65_536) * 1e9 + nanoseconds;
    const high = Math.floor(seconds / 65_536) * 1e9 + Math.floor(low / 65_536);
    view.setUint32(at, 6, true);
    view.setUint32(at + 4, total, true);
    view.setUint32(at + 8, 0, true);
    view.setUint32(at + 12, Math.floor(high / 65_536), true);
    view.setUint32(at + 16, (high % 65_536) * 65_536 + (low % 65_536), true);
    view.setUint32(at + 20, length, true);
    view.setUint32(at + 24, original, true);
    for (let i = at + 28 + length; i < at + total - 4; i++) view.setUint8(i, 0);
    view.setUint32(at + total - 4, total, true);
    return total;
  }
}
