/**
 * Zstandard streams, decompressed in small pieces (RFC 8878; Node 20's zlib has no zstd, so by the library fzstd).
 *
 * Promise: concatenated and skippable frames are read like one stream; what was decompressed before damage is
 * delivered, then `problem` tells what was wrong, also where something else follows the last frame. 1 KiB of input gives
 * at most 32 MiB of output (run-length blocks), and every frame may ask for a window of `WINDOW_MAX` at most.
 */
import { Decompress, ZstdErrorCode } from 'fzstd';
import { ZstdFrames } from './zstd-frames.js';

const PIECE_BYTES = 1024;

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
    const frames = new ZstdFrames();
    let input: Uint8Array | null = head;
    while (input !== null && this.problem === '' && frames.problem === '') {
      for (let at = 0; at < input.length && this.problem === '' && frames.problem === ''; at += PIECE_BYTES) {
        // A slice: the library keeps what it is given, and the input may be reused.
        const piece = input.slice(at, at + PIECE_BYTES);
        this.push(decompress, piece.subarray(0, frames.follow(piece)), false);
        const ready = output;
        output = [];
        yield* ready;
      }
      if (this.problem === '' && frames.problem === '') input = await next();
    }
    if (this.problem !== '') return;
    // Frames before a refused one are whole, but for what the library has kept of them.
    if (frames.problem === '') this.push(decompress, new Uint8Array(0), true);
    yield* output;
    if (this.problem === '') this.problem = frames.problem;
  }

  private push(decompress: Decompress, piece: Uint8Array, final: boolean): void {
    try {
      decompress.push(piece, final);
    } catch (error) {
      this.problem = reason(error);
    }
  }
}
