/**
 * Where made captures go: a file, a gzipped file, or standard output.
 *
 * Promise: bytes are written in order and completely, or a one-line UserError says why not; `write` returns when
 * the bytes may be overwritten; memory is constant (a slow reader of standard output is waited for). A reader that
 * goes away (`| head`) is an error too, of one line.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { createGzip, type Gzip } from 'node:zlib';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';

export interface ByteSink {
  /** Resolves when `bytes` may be used again. */
  write(bytes: Uint8Array): void | Promise<void>;
  close(): void | Promise<void>;
}

/** A regular file, written at once. */
class FileSink implements ByteSink {
  readonly #fd: number;

  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, 'w', 0o644);
      const kind = fstatSync(this.#fd);
      if (!kind.isFile() && !kind.isCharacterDevice() && !kind.isFIFO()) {
        throw new UserError(`${path}: is not a file that can be written`);
      }
    } catch (error) {
      throw error instanceof UserError ? error : fileProblem(path, error, 'write');
    }
  }

  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      throw fileProblem(this.path, error);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A stream; each piece is copied, because streams keep what they were given. */
class StreamSink implements ByteSink {
  #error: Error | null = null;

  constructor(
    readonly stream: Writable,
    readonly name: string,
  ) {
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stream.write(bytes.slice(), (error) => {
        const problem = error ?? this.#error;
        if (problem) reject(fileProblem(this.name, problem));
        else resolve();
      });
    });
  }

  close(): void {
    if (this.#error !== null) throw fileProblem(this.name, this.#error);
  }
}

/** Compresses on the way to another sink. */
class GzipSink implements ByteSink {
  readonly #gzip: Gzip = createGzip();
  readonly #inner: ByteSink;
  readonly #pump: Promise<void>;
  #problem: Error | null = null;

  constructor(inner: ByteSink) {
    this.#inner = inner;
    this.#pump = this.#run().catch((error: Error) => {
      this.#problem = error;
      // Ends the waiting of a `write` that will never be taken up.
      this.#gzip.destroy(error);
    });
    this.#gzip.on('error', () => {});
  }

  async #run(): Promise<void> {
    for await (const chunk of this.#gzip) await this.#inner.write(chunk as Uint8Array);
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#gzip.write(bytes.slice(), (error) => {
        if (error) reject(this.#problem ?? error);
        else resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#gzip.end();
    await this.#pump;
    if (this.#problem !== null) throw this.#problem;
    await this.#inner.close();
  }
}

/** Opens the output; `-` is standard output. @throws UserError */
export function openSink(path: string, gzip: boolean): ByteSink {
  const inner = path === '-' ? new StreamSink(process.stdout, 'standard output') : new FileSink(path);
  return gzip ? new GzipSink(inner) : inner;
}
