/**
 * The streaming reader: captures from files, pipes and standard input ('-'), plain or compressed (gzip, zstd).
 *
 * Promise: `openCapture` fails with a one-line UserError when there is nothing to read; iterating then gives batches
 * in file order with constant memory. The batch object is reused: it is valid until the next step of the iteration.
 * Damage later in the file ends the iteration and stands in `status.warning`.
 */
import { createReadStream } from 'node:fs';
import { UserError } from '../errors.js';
import { CaptureCore } from './core.js';
import { type CaptureBatch, type CaptureStatus, fileProblem } from './format.js';
import { ByteSource } from './inflate.js';
import { captureName } from './plain.js';

const READ_BYTES = 256 * 1024;

/**
 * A capture that is being read, batch by batch: `for await (const batch of stream)`. Its batch is reused: valid
 * until the next step.
 */
export class CaptureStream implements AsyncIterable<CaptureBatch> {
  private readonly iterator: AsyncGenerator<CaptureBatch>;
  private pending: IteratorResult<CaptureBatch> | null = null;
  private readonly core: CaptureCore;

  /** Use `openCapture`. */
  constructor(
    name: string,
    private readonly source: ByteSource,
  ) {
    this.core = new CaptureCore(name);
    this.iterator = this.batches();
  }

  /** Counts and warning so far; complete when the iteration has ended. */
  get status(): CaptureStatus {
    return this.core.status;
  }

  /** The link type of the first interface. */
  get linkType(): number {
    return this.core.linkType;
  }

  /** Reads the first batch, which `[Symbol.asyncIterator]` gives first. */
  async prime(): Promise<void> {
    this.pending ??= await this.iterator.next();
  }

  /** Batches in file order; closes the input when the iteration ends or is left. */
  async *[Symbol.asyncIterator](): AsyncGenerator<CaptureBatch> {
    try {
      for (;;) {
        const step = this.pending ?? (await this.iterator.next());
        this.pending = null;
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await this.close();
    }
  }

  /** Closes the input. Called by itself when the iteration ends or is left. */
  async close(): Promise<void> {
    await this.iterator.return(undefined);
  }

  private async *batches(): AsyncGenerator<CaptureBatch> {
    const { core, source } = this;
    try {
      for await (const chunk of source.chunks()) {
        let at = 0;
        while (at < chunk.length && !core.stopped) {
          const count = Math.min(core.room(), chunk.length - at);
          core.bytes.set(chunk.subarray(at, at + count), core.end);
          core.added(count);
          at += count;
          while (core.decode()) yield core.batch;
        }
        if (core.stopped) break;
      }
    } catch (error) {
      throw error instanceof UserError ? error : fileProblem(core.name, error);
    }
    core.finish(source.problem);
  }
}

/**
 * Opens a capture and reads its first packets. `path` may be '-' for standard input. Throws UserError (one line,
 * names the file) when it cannot be read, is empty, is no capture, or has a link type that is not supported.
 */
export async function openCapture(path: string): Promise<CaptureStream> {
  const input = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  const stream = new CaptureStream(captureName(path), new ByteSource(input));
  await stream.prime();
  return stream;
}
