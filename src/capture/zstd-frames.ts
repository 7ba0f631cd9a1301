/**
 * The frames of a zstd stream, followed beside the decompressor (RFC 8878, 3.1): what each asks for, before it gets it.
 *
 * Promise: finds the header of every frame, wherever it lies in the stream and however the bytes come, and says where the
 * stream ends and something else follows. Pure but for its place in the stream; reads each byte of headers once.
 */

/** A frame may ask for a window of so many bytes at most, as with the zstd program's own default. */
export const WINDOW_MAX = 128 * 1024 * 1024;

/** Bytes of a frame header at most: magic, descriptor, window, dictionary id, content size. */
const HEADER_MAX = 18;
const BLOCK_HEADER = 3;
const SKIPPABLE_HEADER = 8;
const CHECKSUM = 4;

/** What is collected: bytes of a frame's or a block's header. */
type Part = 'frame' | 'block';

export class ZstdFrames {
  /** Why the stream must not be decompressed farther, or empty. */
  problem = '';
  readonly #header = new Uint8Array(HEADER_MAX);
  #have = 0;
  #part: Part = 'frame';
  /** Bytes of no interest that come next. */
  #skip = 0;
  #isLast = false;
  #hasChecksum = false;
  /** Damaged: the decompressor will say so. */
  #isLost = false;
  #frames = 0;

  /** Bytes from the start of the piece that may be decompressed: all, unless there is a problem. */
  follow(piece: Uint8Array): number {
    let start = 0;
    for (let at = 0; at < piece.length && !this.#isLost; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, piece.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      if (this.#part === 'frame' && this.#have === 0) start = at;
      this.#header[this.#have++] = piece[at++]!;
      if (this.#part === 'block') this.#readBlock();
      else this.#readFrame();
      if (this.problem !== '') return start;
    }
    return piece.length;
  }

  #readBlock(): void {
    if (this.#have < BLOCK_HEADER) return;
    const word = this.#header[0]! | (this.#header[1]! << 8) | (this.#header[2]! << 16);
    const type = (word >> 1) & 3;
    this.#isLast = (word & 1) === 1;
    this.#skip = type === 1 ? 1 : word >> 3;
    this.#have = 0;
    if (!this.#isLast) return;
    if (this.#hasChecksum) this.#skip += CHECKSUM;
    this.#part = 'frame';
  }

  #readFrame(): void {
    const [a, b, c, d] = this.#header;
    if (this.#have < 4) return;
    const isSkippable = a! >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18;
    if (isSkippable) {
      if (this.#have < SKIPPABLE_HEADER) return;
      const [, , , , e, f, g, h] = this.#header;
      this.#skip = (e! | (f! << 8) | (g! << 16) | (h! << 24)) >>> 0;
      this.#frames++;
      this.#have = 0;
      return;
    }
    if (a !== 0x28 || b !== 0xb5 || c !== 0x2f || d !== 0xfd) {
      if (this.#frames > 0) this.problem = 'the zstd data are damaged (bytes that are no zstd data follow)';
      else this.#isLost = true;
      return;
    }
    if (this.#have < 5) return;
    const descriptor = this.#header[4]!;
    const isSingle = (descriptor & 0x20) !== 0;
    const dictionary = 5 + (isSingle ? 0 : 1);
    const content = dictionary + [0, 1, 2, 4][descriptor & 3]!;
    const flag = descriptor >> 6;
    const size = flag === 0 ? (isSingle ? 1 : 0) : 1 << flag;
    if (this.#have < content + size) return;
    const window = isSingle ? this.#contentSize(content, size) : windowOf(this.#header[5]!);
    if (window > WINDOW_MAX) {
      this.problem = `the zstd data need a window of ${window} bytes, more than ${WINDOW_MAX}`;
      return;
    }
    this.#hasChecksum = (descriptor & 4) !== 0;
    this.#frames++;
    this.#have = 0;
    this.#part = 'block';
  }

  #contentSize(at: number, size: number): number {
    let content = size === 2 ? 256 : 0;
    for (let i = size - 1, sum = 0; i >= 0; i--) {
      sum = sum * 256 + this.#header[at + i]!;
      if (i === 0) content += sum;
    }
    return content;
  }
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}
