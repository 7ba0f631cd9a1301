/**
 * The window between input and decoder, shared by the streaming and the synchronous reader.
 *
 * Promise: memory stays below `PACKET_BYTES_MAX`-sized records plus one read, whatever the file says; the window
 * grows only when a record that passed its checks needs it. Damage after the first packet becomes a warning, damage
 * before it a UserError that names the file.
 *
 * Use: `while (!core.decode()) { read at most core.room() bytes to core.bytes[core.end…]; core.added(n) }`, and
 * `core.finish()` at the end of the input.
 */
import { type Decoder, MAGIC_BYTES } from './decode.js';
import { captureError } from './errors.js';
import { CaptureBatch, type CaptureStatus, HEADER_BLOCK_MAX, linkTypeProblem } from './format.js';
import { PcapDecoder, pcapOrder } from './pcap.js';
import { PcapngDecoder } from './pcapng.js';

const WINDOW_BYTES = 128 * 1024;

/** A window of this size never has to grow: it holds the longest record that is believed. */
export const WINDOW_BYTES_LEAST = HEADER_BLOCK_MAX;

export class CaptureCore {
  readonly batch = new CaptureBatch();
  readonly status: CaptureStatus = { packets: 0, skipped: 0, warning: null };
  bytes: Uint8Array = new Uint8Array(WINDOW_BYTES);
  /** End of the valid bytes in the window. */
  end = 0;
  /** Nothing more will come: the decoder has met damage. */
  stopped = false;
  private start = 0;
  private passed = 0;
  private decoder: Decoder | null = null;

  constructor(readonly name: string) {
    this.batch.bytes = this.bytes;
  }

  /** The link type of the first interface, or -1 while unknown. */
  get linkType(): number {
    return this.decoder?.linkType ?? -1;
  }

  /** Makes room for input behind `end`; returns how many bytes fit (at least 1). Invalidates the batch. */
  room(): number {
    const kept = this.end - this.start;
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.start = 0;
      this.end = kept;
    }
    const need = this.decoder?.need ?? MAGIC_BYTES;
    if (need > this.bytes.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(need)));
      grown.set(this.bytes.subarray(0, kept));
      this.bytes = grown;
      this.batch.bytes = grown;
    }
    return this.bytes.length - this.end;
  }

  /** Bytes that fit behind `end` as the window stands; nothing moves, so the batches taken from it stay valid. */
  get free(): number {
    return this.bytes.length - this.end;
  }

  /**
   * Goes on in another window: what was not decoded yet is moved to its start. `window` must have room for the
   * largest record (`WINDOW_BYTES_LEAST`). Batches taken from the old window stay valid.
   */
  moveTo(window: Uint8Array): void {
    const kept = this.end - this.start;
    window.set(this.bytes.subarray(this.start, this.end));
    this.bytes = window;
    this.batch.bytes = window;
    this.start = 0;
    this.end = kept;
  }

  /** `count` bytes were put at `end`. */
  added(count: number): void {
    this.end += count;
    this.passOver();
  }

  /** Drops what the decoder does not want to see. */
  private passOver(): void {
    if (this.decoder === null || this.decoder.skip === 0) return;
    const count = Math.min(this.decoder.skip, this.end - this.start);
    this.start += count;
    this.passed += count;
    this.decoder.skip -= count;
  }

  /** Fills the batch from the window. False: more input is needed (or `stopped`). */
  decode(): boolean {
    const { batch, status } = this;
    batch.n = 0;
    if (this.stopped) return false;
    if (this.decoder === null && this.end - this.start < MAGIC_BYTES) return false;
    this.decoder ??= this.recognise();
    const decoder = this.decoder;
    const consumed = decoder.decode(this.bytes, this.start, this.end, batch);
    if (decoder instanceof PcapDecoder && decoder.skippedLinkType >= 0) {
      throw captureError(`${this.name}: ${linkTypeProblem(decoder.skippedLinkType)}`);
    }
    this.start += consumed;
    this.passed += consumed;
    status.packets += batch.n;
    status.skipped = decoder.skipped;
    if (decoder.damage !== '') {
      this.stopped = true;
      if (status.packets === 0) throw captureError(`${this.name}: ${decoder.damage} at byte ${this.passed}`);
      this.warn(
        `${decoder.damage} at byte ${this.passed}, after packet ${status.packets}; the rest is not read`,
      );
    }
    return batch.n > 0;
  }

  private recognise(): Decoder {
    const { bytes, start } = this;
    const word =
      ((bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>>
      0;
    if (word === 0x0a0d0d0a) return new PcapngDecoder();
    if (pcapOrder(word) !== 0) return new PcapDecoder();
    throw captureError(
      `${this.name}: not a capture (pcap or pcapng, possibly compressed by gzip or zstd, is permitted)`,
    );
  }

  /** The input has ended: complains about what is missing. `cause` is why, when it is known. */
  finish(cause = ''): void {
    const { status, decoder } = this;
    const left = this.end - this.start;
    const because = cause === '' ? '' : ` (${cause})`;
    if (decoder === null || (decoder instanceof PcapDecoder && decoder.linkType < 0)) {
      const what = this.passed + left === 0 ? 'is empty' : 'is too short to be a capture';
      throw captureError(`${this.name}: ${what}${because}`);
    }
    if (decoder.linkType < 0) throw captureError(`${this.name}: holds no interface description${because}`);
    if (status.packets === 0 && decoder.skippedLinkType >= 0) {
      throw captureError(`${this.name}: ${linkTypeProblem(decoder.skippedLinkType)}`);
    }
    if (this.stopped) return;
    if (cause !== '') this.warn(`${cause} after packet ${status.packets}; the rest is not read`);
    else if (left > 0 || decoder.skip > 0) this.warn(`cut off after packet ${status.packets}`);
    if (decoder.skipped > 0) {
      const why =
        decoder.skippedLinkType >= 0
          ? linkTypeProblem(decoder.skippedLinkType)
          : 'they belong to interfaces that are not declared';
      this.warn(`${decoder.skipped} packets left out: ${why}`);
    }
  }

  private warn(text: string): void {
    const { status } = this;
    status.warning = status.warning === null ? `${this.name}: ${text}` : `${status.warning}; ${text}`;
  }
}
