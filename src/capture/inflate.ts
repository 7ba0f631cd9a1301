/**
 * A stream of bytes, decompressed when it is gzip or zstd.
 *
 * Promise: what was decompressed before damage or the end of a cut-off file is delivered, then `problem` tells what
 * was wrong.
 */
import { GzipStream } from './gzip.js';
import { isZstd } from './plain.js';
import { ZstdStream } from './zstd.js';

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
      const isGzip = head[0] === 0x1f && head[1] === 0x8b;
      if (isGzip || isZstd(head)) {
        const stream = isGzip ? new GzipStream() : new ZstdStream();
        yield* stream.chunks(head, () => this.next());
        this.problem = stream.problem;
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
}
