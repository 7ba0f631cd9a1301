/**
 * A stream of bytes, decompressed when it is gzip or zstd.
 *
 * Promise: what was decompressed before damage or the end of a cut-off file is delivered, then `problem` tells what
 * was wrong. Node's stream would drop its buffer on an error; so input is given in small pieces and each piece's
 * output is collected before the next is given. 16 KiB of input give at most 16 MiB of output.
 */
import { createGunzip } from 'node:zlib';
import { isZstd } from './plain.js';
import { ZstdStream } from './zstd.js';

const PIECE_BYTES = 16 * 1024;

export class ByteSource {
  /** Why the bytes ended early, or empty. */
  problem = '';
  private readonly source: AsyncIterator<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** The bytes in order; ends when the input ends or is damaged. Errors of the input itself are thrown. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      // Four bytes tell; a pipe may deliver them one by one.
      let head = new Uint8Array(0);
      while (head.length < 4) {
        const { done, value } = await this.source.next();
        if (done === true) break;
        const joined = new Uint8Array(head.length + value.length);
        joined.set(head);
        joined.set(value, head.length);
        head = joined;
      }
      if (head[0] === 0x1f && head[1] === 0x8b) {
        yield* this.inflated(head);
        return;
      }
      if (isZstd(head)) {
        const zstd = new ZstdStream();
        yield* zstd.chunks(head, () => this.next());
        this.problem = zstd.problem;
        return;
      }
      if (head.length > 0) yield head;
      for (;;) {
        const { done, value } = await this.source.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await this.source.return?.();
    }
  }

  private async next(): Promise<Uint8Array | null> {
    const { done, value } = await this.source.next();
    return done === true ? null : value;
  }

  private async *inflated(head: Uint8Array): AsyncGenerator<Uint8Array> {
    const gunzip = createGunzip();
    let output: Uint8Array[] = [];
    let wake = () => {};
    let ended = false;
    gunzip.on('data', (chunk: Uint8Array) => output.push(chunk));
    gunzip.on('end', () => {
      ended = true;
      wake();
    });
    gunzip.on('error', (error) => {
      this.problem = `the gzip data are damaged (${error.message})`;
      wake();
    });
    const over = () => ended || this.problem !== '';
    const give = (piece: Uint8Array) =>
      new Promise<void>((resolve) => {
        wake = resolve;
        gunzip.write(piece, () => resolve());
      });
    try {
      let input: Uint8Array | null = head;
      while (input !== null) {
        for (let at = 0; at < input.length && !over(); at += PIECE_BYTES) {
          await give(input.subarray(at, at + PIECE_BYTES));
          const ready = output;
          output = [];
          yield* ready;
        }
        if (over()) break;
        input = await this.next();
      }
      if (!over()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          gunzip.end();
        });
      }
      yield* output;
    } finally {
      gunzip.destroy();
    }
  }
}
