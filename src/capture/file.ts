/**
 * The synchronous reader, for worker threads: a regular, uncompressed capture, read in chunks.
 *
 * Promise: `next()` returns the next batch, or null at the end; constant memory; the batch is valid until the next
 * call. Reads at explicit positions, so that the same descriptor may be read again by another thread. Compressed
 * captures and pipes: see `spoolCapture`.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { CaptureCore } from './core.js';
import { type CaptureBatch, type CaptureStatus, fileProblem } from './format.js';

export class CaptureFile {
  private position = 0;
  private ended = false;
  private readonly core: CaptureCore;

  /**
   * @param fd descriptor of the file; closed by `close()` if `owned`
   * @param name for messages
   */
  constructor(
    private readonly fd: number,
    name: string,
    private readonly owned = false,
  ) {
    this.core = new CaptureCore(name);
  }

  /** Opens a file. Throws UserError when it cannot be opened. */
  static open(path: string): CaptureFile {
    try {
      return new CaptureFile(openSync(path, 'r'), path, true);
    } catch (error) {
      throw fileProblem(path, error);
    }
  }

  /** Counts and warning so far; complete when `next()` has returned null. */
  get status(): CaptureStatus {
    return this.core.status;
  }

  /**
   * The next packets, or null when there are none left. Throws UserError where the file is no capture, has nothing
   * readable or cannot be read.
   */
  next(): CaptureBatch | null {
    const { core } = this;
    while (!this.ended) {
      if (core.decode()) return core.batch;
      if (core.stopped) {
        this.ended = true;
        core.finish();
        break;
      }
      const room = core.room();
      let count: number;
      try {
        count = readSync(this.fd, core.bytes, core.end, room, this.position);
      } catch (error) {
        this.ended = true;
        throw fileProblem(core.name, error);
      }
      if (count === 0) {
        this.ended = true;
        core.finish();
        break;
      }
      this.position += count;
      core.added(count);
    }
    return null;
  }

  close(): void {
    this.ended = true;
    if (this.owned) closeSync(this.fd);
  }
}
