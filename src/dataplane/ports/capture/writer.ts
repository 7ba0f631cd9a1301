/**
 * The capture writer as a port: frames given to it are delivered into a capture file.
 *
 * Promise: the records of one `send` call are written before it returns, whole and in order; a frame that another capture
 * held in part only has the length that it had on the wire. Frames that could not be
 * written get `SendResult.down`, and `problem()` says why, once for all of them.
 *
 * Threads: one object per worker; the file has one transmit queue, whose lock the worker loop holds during `send`.
 * The file with its header is made by the main thread (`createCaptureFile`).
 */

import { SendResult } from '../../../addon/native.js';
import { CaptureWriter } from '../../../capture/writer.js';
import { FrameFlag } from '../../../packet/burst.js';
import { readCut } from '../../../packet/vnet.js';
import { makeSendArrays, type Sender } from '../port.js';

export { createCaptureFile } from '../../../capture/writer.js';

export class CaptureSender implements Sender {
  readonly arrays = makeSendArrays();
  readonly offload = false;
  readonly delivers = true;
  private readonly writer: CaptureWriter;
  // Wall clock of this worker: one reading of the date, then the monotonic clock.
  private readonly startSeconds: number;
  private readonly startNanoseconds: number;
  private readonly startMs: number;

  /** @param bytes the frame pool. Throws UserError when the file cannot be opened. */
  constructor(
    path: string,
    private readonly bytes: Uint8Array,
  ) {
    this.writer = new CaptureWriter(path);
    this.startMs = performance.now();
    const date = performance.timeOrigin + this.startMs;
    this.startSeconds = Math.floor(date / 1000);
    this.startNanoseconds = Math.floor((date - this.startSeconds * 1000) * 1e6);
  }

  /** The first failure, or null. */
  problem(): string | null {
    return this.writer.problem;
  }

  send(from: number, to: number): number {
    const { off, len, flags, result } = this.arrays;
    const { writer, bytes } = this;
    const nanoseconds = this.startNanoseconds + Math.floor((performance.now() - this.startMs) * 1e6);
    const carry = Math.floor(nanoseconds / 1e9);
    const seconds = this.startSeconds + carry;
    const rest = nanoseconds - carry * 1e9;
    let sent = 0;
    let first = from;
    for (let i = from; i <= to; i++) {
      if (i === to || !writer.fits(len[i]!)) {
        const done = writer.flush();
        result.fill(done ? SendResult.sent : SendResult.down, first, i);
        if (done) sent += i - first;
        first = i;
        if (i === to) break;
      }
      const isCut = (flags[i]! & FrameFlag.truncated) !== 0;
      const original = isCut ? Math.max(len[i]!, readCut(bytes, off[i]!)) : len[i]!;
      writer.write(bytes, off[i]!, len[i]!, original, seconds, rest);
    }
    return sent;
  }

  close(): void {
    this.writer.close();
  }
}
