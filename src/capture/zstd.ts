/**
 * Zstandard streams, decompressed in small pieces (RFC 8878; Node 20's zlib has no zstd, so by the library fzstd).
 *
 * Promise: concatenated and skippable frames are read like one stream; what was decompressed before damage is
 * delivered, then `problem` tells what was wrong. 1 KiB of input gives at most 32 MiB of output (run-length blocks),
 * and a frame may ask for a window of 128 MiB at most, as with the zstd program's own default.
 */
import { Decompress, ZstdErrorCode } from 'fzstd';

const PIECE_BYTES = 1024;
const WINDOW_MAX = 128 * 1024 * 1024;
/** Bytes of a frame header at most: magic, descriptor, window, dictionary id, content size. */
const HEADER_MAX = 18;

/** Window that the frame at the start of `head` asks for (RFC 8878, 3.1.1.1); 0 where it cannot be told. */
function windowBytes(head: Uint8Array): number {
  if (head.length < HEADER_MAX || head[0] !== 0x28) return 0;
  const descriptor = head[4]!;
  if ((descriptor & 0x20) === 0) {
    const base = 2 ** (10 + (head[5]! >> 3));
    return base + (base / 8) * (head[5]! & 7);
  }
  // A single segment: the window is the content, whose size follows the dictionary id.
  const at = 5 + [0, 1, 2, 4][descriptor & 3]!;
  const size = 1 << (descriptor >> 6);
  let content = 0;
  for (let i = size - 1; i >= 0; i--) content = content * 256 + head[at + i]!;
  return content;
}

function reason(error: unknown): string {
  const code = (error as { code?: number }).code;
  if (code === ZstdErrorCode.UnexpectedEOF) return 'the zstd data are cut off';
  return `the zstd data are damaged (${(error as Error).message.split('\n')[0]})`;
}

/** Decompresses a stream. After the iteration `problem` says why it ended early, or is empty. */
export class ZstdStream {
  problem = '';

  /** @param next gives the next input, or null at its end. */
  async *chunks(head: Uint8Array, next: () => Promise<Uint8Array | null>): AsyncGenerator<Uint8Array> {
    let output: Uint8Array[] = [];
    // fzstd goes on using the block as its window: what waits here must be a copy.
    const decompress = new Decompress((chunk) => {
      if (chunk.length > 0) output.push(chunk.slice());
    });
    let input: Uint8Array | null = head;
    while (input !== null && input.length < HEADER_MAX) {
      const more = await next();
      if (more === null) break;
      const joined: Uint8Array = new Uint8Array(input.length + more.length);
      joined.set(input);
      joined.set(more, input.length);
      input = joined;
    }
    const window = windowBytes(input ?? head);
    if (window > WINDOW_MAX) {
      this.problem = `the zstd data need a window of ${window} bytes, more than ${WINDOW_MAX}`;
      return;
    }
    while (input !== null) {
      for (let at = 0; at < input.length && this.problem === ''; at += PIECE_BYTES) {
        // A slice: the library keeps what it is given, and the input may be reused.
        this.push(decompress, input.slice(at, at + PIECE_BYTES), false);
        const ready = output;
        output = [];
        yield* ready;
      }
      if (this.problem !== '') return;
      input = await next();
    }
    this.push(decompress, new Uint8Array(0), true);
    yield* output;
  }

  private push(decompress: Decompress, piece: Uint8Array, final: boolean): void {
    try {
      decompress.push(piece, final);
    } catch (error) {
      this.problem = reason(error);
    }
  }
}
