/**
 * Gzip streams (RFC 1952), member by member.
 *
 * Promise: concatenated members are read like one stream. What was decompressed before damage is delivered, then
 * `problem` tells what was wrong. Zeros behind the last member are padding; other bytes there are no gzip data and are
 * not read, which `problem` tells too. (Node's own gunzip would drop what it had decompressed before them.) 16 KiB of
 * input give at most 16 MiB of output.
 */
import { crc32, createInflateRaw } from 'node:zlib';

const PIECE_BYTES = 16 * 1024;

/** Bits of the flags in a member's header. */
const HEADER_CRC = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;

const CUT_OFF = 'the gzip data are damaged (unexpected end of file)';

/** Decompresses a stream. After the iteration `problem` says why it ended early, or is empty. */
export class GzipStream {
  problem = '';
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #next: () => Promise<Uint8Array | null> = async () => null;

  /** @param next gives the next input, or null at its end. */
  async *chunks(head: Uint8Array, next: () => Promise<Uint8Array | null>): AsyncGenerator<Uint8Array> {
    this.#bytes = head;
    this.#next = next;
    do {
      if (!(await this.#readHeader())) return;
      yield* this.#inflate();
      if (this.problem !== '') return;
    } while (await this.#isMore());
  }

  /** Whether there are so many bytes at the place, after reading what is needed. */
  async #has(count: number): Promise<boolean> {
    while (this.#bytes.length - this.#at < count) {
      const more = await this.#next();
      if (more === null) return false;
      const joined = new Uint8Array(this.#bytes.length - this.#at + more.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(more, this.#bytes.length - this.#at);
      this.#bytes = joined;
      this.#at = 0;
    }
    return true;
  }

  /** Passes over so many bytes; false where there are fewer. */
  async #skip(count: number): Promise<boolean> {
    let left = count;
    for (;;) {
      const step = Math.min(left, this.#bytes.length - this.#at);
      this.#at += step;
      left -= step;
      if (left === 0) return true;
      if (!(await this.#has(1))) return false;
    }
  }

  async #skipText(): Promise<boolean> {
    do {
      if (!(await this.#has(1))) return false;
    } while (this.#bytes[this.#at++] !== 0);
    return true;
  }

  async #readHeader(): Promise<boolean> {
    let isWhole = await this.#has(10);
    const flags = isWhole ? this.#bytes[this.#at + 3]! : 0;
    if (isWhole && this.#bytes[this.#at + 2] !== 8) {
      this.problem = 'the gzip data are damaged (unknown compression method)';
      return false;
    }
    if (isWhole) this.#at += 10;
    if (isWhole && (flags & EXTRA) !== 0) {
      isWhole = await this.#has(2);
      if (isWhole) isWhole = await this.#skip(2 + this.#bytes[this.#at]! + 256 * this.#bytes[this.#at + 1]!);
    }
    if (isWhole && (flags & NAME) !== 0) isWhole = await this.#skipText();
    if (isWhole && (flags & COMMENT) !== 0) isWhole = await this.#skipText();
    if (isWhole && (flags & HEADER_CRC) !== 0) isWhole = await this.#skip(2);
    if (!isWhole) this.problem = CUT_OFF;
    return isWhole;
  }

  /** The data of one member, and its trailer. */
  async *#inflate(): AsyncGenerator<Uint8Array> {
    const inflater = createInflateRaw();
    let output: Uint8Array[] = [];
    let wake = () => {};
    let isOver = false;
    let given = 0;
    let sum = 0;
    let size = 0;
    inflater.on('data', (chunk: Uint8Array) => {
      sum = crc32(chunk, sum);
      size = (size + chunk.length) >>> 0;
      output.push(chunk);
    });
    inflater.on('end', () => {
      isOver = true;
      wake();
    });
    inflater.on('error', (error) => {
      isOver = true;
      this.problem = `the gzip data are damaged (${error.message})`;
      wake();
    });
    const give = (piece: Uint8Array | null) =>
      new Promise<void>((resolve) => {
        wake = resolve;
        if (piece === null) inflater.end();
        else inflater.write(piece, () => resolve());
      });
    try {
      while (!isOver && (await this.#has(1))) {
        const piece = this.#bytes.subarray(this.#at, this.#at + PIECE_BYTES);
        await give(piece);
        // Where the data end inside the piece, the rest of it is not theirs.
        const used = isOver ? inflater.bytesWritten - given : piece.length;
        given += piece.length;
        this.#at += used;
        const ready = output;
        output = [];
        yield* ready;
      }
      // Nothing more comes: it either has the end already or says that it is missing.
      if (!isOver) await give(null);
      yield* output;
    } finally {
      inflater.destroy();
    }
    if (this.problem === '') await this.#readTrailer(sum, size);
  }

  async #readTrailer(sum: number, size: number): Promise<void> {
    if (!(await this.#has(8))) {
      this.problem = CUT_OFF;
      return;
    }
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8);
    if (view.getUint32(0, true) !== sum) this.problem = 'the gzip data are damaged (incorrect data check)';
    else if (view.getUint32(4, true) !== size)
      this.problem = 'the gzip data are damaged (incorrect length check)';
    this.#at += 8;
  }

  /** Whether another member follows. */
  async #isMore(): Promise<boolean> {
    for (;;) {
      if (!(await this.#has(1))) return false;
      if (this.#bytes[this.#at] !== 0) break;
      this.#at++;
    }
    const isMember =
      (await this.#has(2)) && this.#bytes[this.#at] === 0x1f && this.#bytes[this.#at + 1] === 0x8b;
    if (!isMember) this.problem = 'bytes that are no gzip data follow';
    return isMember;
  }
}
