/**
 * Writing captures: pcap with nanoseconds, or pcapng where the name ends in `.pcapng`. Ethernet only.
 *
 * Promise: `createCaptureFile` makes the file with its header; a `CaptureWriter` appends whole records. The
 * descriptor has O_APPEND and each flush is one write, so several writers (one per worker) may append to one file in
 * turn and no record is torn. In pcapng a frame may have a comment. A failed write (disk full) is reported once in `problem`, its frames are counted in
 * `lost`, what was half written is cut off again, and later frames are tried anew.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { UserError } from '../errors.js';
import { copyBytes } from './copy.js';
import { outputError } from './errors.js';
import { fileProblem, PACKET_BYTES_MAX } from './format.js';

/** Room for the largest record and many small ones. */
const BUFFER_BYTES = 512 * 1024;
/** Bytes of a comment at most: an option's length has 16 bits. */
const COMMENT_BYTES_MAX = 65_535;
const NO_COMMENT = new Uint8Array(0);

function isPcapng(path: string): boolean {
  return path.toLowerCase().endsWith('.pcapng');
}

/** Endings that promise a compression. */
const COMPRESSED = /\.(gz|zst|zstd|bz2|xz|lz4)$/i;

/**
 * Refuses a name that promises what the file will not be.
 * @param gzip whether `.gz` is kept
 * @throws UserError
 */
export function checkCaptureName(path: string, gzip: boolean): void {
  const ending = COMPRESSED.exec(path)?.[0];
  if (ending === undefined || (gzip && /^\.gz$/i.test(ending))) return;
  const can = gzip ? 'is compressed by gzip only (.gz)' : 'is not compressed while it is written';
  throw outputError(`${path}: a capture ${can}: give a name without ${ending}`);
}

function pcapHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, 0xa1b23c4d, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, PACKET_BYTES_MAX, true);
  view.setUint32(20, 1, true);
  return new Uint8Array(view.buffer);
}

/** A section header and one Ethernet interface with nanosecond resolution. */
function pcapngHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(28 + 32));
  const words = [0x0a0d0d0a, 28, 0x1a2b3c4d, 1, -1, -1, 28];
  words.push(1, 32, 1, PACKET_BYTES_MAX, 9 | (1 << 16), 9, 0, 32);
  words.forEach((word, i) => {
    view.setInt32(i * 4, word, true);
  });
  return new Uint8Array(view.buffer);
}

/**
 * Creates (or empties) the capture file and writes its header. Main thread, once. Throws UserError where the path
 * cannot be written, is neither a regular file nor a character device, or is named as if it were compressed.
 */
export function createCaptureFile(path: string): void {
  checkCaptureName(path, false);
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there !== undefined && !there.isFile() && !there.isCharacterDevice()) {
      throw outputError(`${path}: is ${there.isDirectory() ? 'a directory' : 'not a regular file'}`);
    }
    const fd = openSync(path, 'w', 0o644);
    try {
      writeSync(fd, isPcapng(path) ? pcapngHeader() : pcapHeader());
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw error instanceof UserError ? error : fileProblem(path, error, 'write');
  }
}

/** Appends Ethernet frames to a capture file. `CaptureWriter.create(path)`, `write`, `flush`, `close`. */
export class CaptureWriter {
  /** Frames in the file. */
  frames = 0;
  /** Frames that could not be written. */
  lost = 0;
  /** Frames that wait in the buffer. */
  pending = 0;
  /** The first failure, one line that names the file; null while there was none. */
  problem: string | null = null;
  private readonly fd: number;
  private readonly pcapng: boolean;
  private readonly bytes = new Uint8Array(BUFFER_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private end = 0;
  private note = NO_COMMENT;
  // The array of the last frame (the pool, nearly always) and its view.
  private source: Uint8Array | null = null;
  private sourceView: DataView = this.view;

  /** Opens a file that `createCaptureFile` has made, for appending. Throws UserError. */
  constructor(readonly path: string) {
    this.pcapng = isPcapng(path);
    try {
      this.fd = openSync(path, constants.O_WRONLY | constants.O_APPEND);
    } catch (error) {
      throw fileProblem(path, error);
    }
  }

  /** Creates the file and opens it. */
  static create(path: string): CaptureWriter {
    createCaptureFile(path);
    return new CaptureWriter(path);
  }

  /** Whether a frame of `len` bytes fits into the buffer; otherwise `flush` first. */
  fits(len: number): boolean {
    return this.end + len + 40 <= BUFFER_BYTES;
  }

  /** The next frame that is written gets this comment (pcapng only; elsewhere it is left out). */
  comment(text: string): void {
    if (this.pcapng) this.note = new TextEncoder().encode(text).subarray(0, COMMENT_BYTES_MAX);
  }

  /**
   * Appends a frame to the buffer, flushing it first where necessary. `original` is the length on the wire; frames
   * beyond `PACKET_BYTES_MAX` are cut. Time: seconds since 1970 and nanoseconds.
   */
  write(
    bytes: Uint8Array,
    off: number,
    len: number,
    original: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    const captured = Math.min(len, PACKET_BYTES_MAX);
    // A comment is an option: code and length, text padded to words, and the end of options.
    const options = this.note.length === 0 ? 0 : 8 + ((this.note.length + 3) & ~3);
    if (!this.fits(captured + options)) this.flush();
    const { view } = this;
    let at = this.end;
    let closing = 0;
    if (this.pcapng) {
      closing = ((32 + captured + 3) & ~3) + options;
      // Ticks are nanoseconds: seconds * 10^9 + nanoseconds in two halves, by parts below 2^53.
      const low = (seconds % 65_536) * 1e9 + nanoseconds;
      const high = Math.floor(seconds / 65_536) * 1e9 + Math.floor(low / 65_536);
      view.setUint32(at, 6, true);
      view.setUint32(at + 4, closing, true);
      view.setUint32(at + 8, 0, true);
      view.setUint32(at + 12, Math.floor(high / 65_536), true);
      view.setUint32(at + 16, (high % 65_536) * 65_536 + (low % 65_536), true);
      at += 20;
    } else {
      view.setUint32(at, seconds, true);
      view.setUint32(at + 4, nanoseconds, true);
      at += 8;
    }
    view.setUint32(at, captured, true);
    view.setUint32(at + 4, original, true);
    at += 8;
    if (this.source !== bytes) {
      this.source = bytes;
      this.sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    copyBytes(this.sourceView, off, view, at, captured);
    at += captured;
    if (closing !== 0) {
      for (; (at & 3) !== 0; at++) this.bytes[at] = 0;
      if (options !== 0) at = this.writeComment(at);
      view.setUint32(at, closing, true);
      at += 4;
    }
    this.end = at;
    this.pending++;
  }

  /** opt_comment and opt_endofopt at `at`; gives the end. The comment is used up. */
  private writeComment(at: number): number {
    const { view, bytes, note } = this;
    view.setUint16(at, 1, true);
    view.setUint16(at + 2, note.length, true);
    bytes.set(note, at + 4);
    at += 4 + note.length;
    for (; (at & 3) !== 0; at++) bytes[at] = 0;
    view.setUint32(at, 0, true);
    this.note = NO_COMMENT;
    return at + 4;
  }

  /** Writes the buffer out; false when that failed (its frames are lost). */
  flush(): boolean {
    const { fd, end, pending } = this;
    if (pending === 0) return true;
    this.end = 0;
    this.pending = 0;
    let written = 0;
    try {
      // One write, unless the kernel stops short because the disk is nearly full: then the next one fails.
      while (written < end) written += writeSync(fd, this.bytes, written, end - written);
      this.frames += pending;
      return true;
    } catch (error) {
      this.problem ??= `${fileProblem(this.path, error).message}; frames are lost`;
      this.lost += pending;
      try {
        if (written > 0 && fstatSync(fd).isFile()) ftruncateSync(fd, fstatSync(fd).size - written);
      } catch {
        // The half record stays; readers report the file as cut off there.
      }
      return false;
    }
  }

  /** Flushes and closes; false when the last frames were lost. */
  close(): boolean {
    const done = this.flush();
    closeSync(this.fd);
    return done;
  }
}
