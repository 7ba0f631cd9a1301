/**
 * Fills chunks from captures, one file after the other.
 *
 * Promise: packets in file order; a chunk holds packets of one file; constant memory. Plain files are read
 * synchronously by position straight into the chunk; compressed ones, pipes and standard input through a stream.
 * Damage ends a file with a warning and the next one is read; what is no capture at all is a UserError. Packets that
 * were not chosen are never in a chunk. `stop` ends the reading after what was read, also while it waits for a pipe.
 */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { CaptureCore } from '../capture/core.js';
import { ethernetLength, makeEthernet } from '../capture/ethernet.js';
import { type CaptureBatch, fileProblem, LinkType } from '../capture/format.js';
import type { ByteSource } from '../capture/inflate.js';
import { captureName, isPlain } from '../capture/plain.js';
import { UserError } from '../errors.js';
import { FrameFlag } from '../packet/burst.js';
import { Chooser, type PacketChoice } from './choice.js';
import { CHUNK_READ_BYTES, type Chunk } from './chunk.js';

const TRUNCATED = FrameFlag.truncated;
/** Milliseconds of reading after which this thread looks for signals, timers and messages. */
const LOOK_MS = 50;

/** Where the bytes of a file come from. */
interface Input {
  /** Puts bytes at `bytes[at…]`, at most `room`; 0 at the end. */
  read(bytes: Uint8Array, at: number, room: number): number | Promise<number>;
  /** Why the bytes ended early, or empty. */
  problem(): string;
  close(): Promise<void>;
}

class PlainInput implements Input {
  #position = 0;

  constructor(readonly fd: number) {}

  read(bytes: Uint8Array, at: number, room: number): number {
    const count = readSync(this.fd, bytes, at, room, this.#position);
    this.#position += count;
    return count;
  }

  problem(): string {
    return '';
  }

  async close(): Promise<void> {
    closeSync(this.fd);
  }
}

class StreamInput implements Input {
  readonly #source: ByteSource;
  readonly #chunks: AsyncGenerator<Uint8Array>;
  readonly #stream: Readable;
  #rest: Uint8Array = new Uint8Array(0);
  #waits = false;

  constructor(source: ByteSource, stream: Readable) {
    this.#source = source;
    this.#stream = stream;
    this.#chunks = source.chunks();
  }

  async read(bytes: Uint8Array, at: number, room: number): Promise<number> {
    while (this.#rest.length === 0) {
      this.#waits = true;
      const { done, value } = await this.#chunks.next();
      this.#waits = false;
      if (done === true) return 0;
      this.#rest = value;
    }
    const count = Math.min(room, this.#rest.length);
    bytes.set(this.#rest.subarray(0, count), at);
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  problem(): string {
    return this.#source.problem;
  }

  async close(): Promise<void> {
    // A generator that waits for bytes would not return before they come.
    if (this.#waits) this.#stream.destroy();
    else await this.#chunks.return(undefined);
  }
}

/** Plain files are read without loading the decompressors. */
async function decompressed(input: Readable): Promise<Input> {
  const { ByteSource } = await import('../capture/inflate.js');
  return new StreamInput(new ByteSource(input), input);
}

async function openInput(path: string): Promise<Input> {
  if (path === '-') return decompressed(process.stdin);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (isPlain(fd)) return new PlainInput(fd);
    const stats = fstatSync(fd);
    // A pipe's writer, and its bytes, are waited for without a thread that would hang in a call: an interrupt ends it.
    if (stats.isFIFO()) return await decompressed(new Socket({ fd, readable: true, writable: false }));
    // A compressed file is read again from its start.
    return await decompressed(createReadStream(path, { fd, ...(stats.isFile() ? { start: 0 } : {}) }));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Reads captures into chunks: `while (await reader.next(chunk)) …`. */
export class CaptureReader {
  /** One line for each file that could not be read whole. */
  readonly warnings: string[] = [];
  /** The next chunk is the first of its file. */
  isNewFile = false;
  /** Which packets count, and how many do not. */
  readonly chooser: Chooser;
  /** Ended by `stop` before the end of the captures. */
  interrupted = false;
  #stopped = false;
  #looked = performance.now();
  #onStop: () => void = () => {};
  readonly #stop = new Promise<void>((resolve) => {
    this.#onStop = resolve;
  });
  #core: CaptureCore | null = null;
  #input: Input | null = null;
  #index = 0;

  /** @throws UserError for a choice that is none */
  constructor(
    readonly paths: readonly string[],
    choice: PacketChoice = {},
  ) {
    this.chooser = new Chooser(choice);
  }

  /** Ends the reading: the next `next`, or one that waits, gives what there is and then false. */
  stop(): void {
    this.#stopped = true;
    this.#onStop();
  }

  /** Fills the chunk with the next packets; false when there are none left. Throws UserError. */
  async next(chunk: Chunk): Promise<boolean> {
    chunk.n = 0;
    for (;;) {
      if (this.#stopped) {
        this.interrupted ||= this.#core !== null || this.#index < this.paths.length;
        return false;
      }
      if (this.#core === null && !(await this.#open())) return false;
      const core = this.#core!;
      try {
        core.moveTo(chunk.window);
        const more = await this.#fill(core, chunk);
        if (!more) await this.#finish();
      } catch (error) {
        await this.close();
        throw error instanceof UserError ? error : fileProblem(core.name, error);
      }
      if (chunk.n > 0) return true;
    }
  }

  async close(): Promise<void> {
    const input = this.#input;
    this.#input = null;
    this.#core = null;
    await input?.close();
  }

  async #open(): Promise<boolean> {
    const path = this.paths[this.#index];
    if (path === undefined) return false;
    const name = captureName(path);
    await this.chooser.prepare();
    try {
      this.#input = await openInput(path);
    } catch (error) {
      throw fileProblem(name, error);
    }
    this.#index++;
    this.#core = new CaptureCore(name);
    this.isNewFile = true;
    return true;
  }

  /** Reads and decodes until the chunk has enough. False at the end of the file. */
  async #fill(core: CaptureCore, chunk: Chunk): Promise<boolean> {
    let read = 0;
    for (;;) {
      while (chunk.hasRoom && core.decode()) {
        const isEthernet = this.chooser.apply(core.batch);
        append(core, chunk, isEthernet);
      }
      if (core.stopped) {
        core.finish();
        return false;
      }
      if (!chunk.hasRoom) return true;
      if (chunk.n > 0 && (read >= CHUNK_READ_BYTES || core.free === 0)) return true;
      // Without a packet in the chunk nothing refers to the window: it may be tidied up.
      const room = chunk.n > 0 ? core.free : core.room();
      const got = this.#input!.read(core.bytes, core.end, Math.min(room, CHUNK_READ_BYTES));
      const count = typeof got === 'number' ? got : await this.#unlessStopped(got);
      if (count < 0) return true;
      if (count === 0) {
        core.finish(this.#input!.problem());
        return false;
      }
      core.added(count);
      read += count;
      // Plain files are read without waiting.
      if (performance.now() - this.#looked < LOOK_MS) continue;
      await setImmediate();
      this.#looked = performance.now();
      if (this.#stopped) return true;
    }
  }

  /** What was read, or -1 where the reading was stopped before it came. */
  async #unlessStopped(read: Promise<number>): Promise<number> {
    const stopped = this.#stop.then(() => -1);
    // Nobody waits for what comes after that.
    read.catch(() => {});
    return Promise.race([read, stopped]);
  }

  async #finish(): Promise<void> {
    const warning = this.#core?.status.warning ?? null;
    if (warning !== null) this.warnings.push(warning);
    await this.close();
  }
}

/** Adds the packets of the core's batch to the chunk, as Ethernet frames. */
function append({ batch }: CaptureCore, chunk: Chunk, isEthernet: boolean): void {
  if (isEthernet) appendFrames(batch, chunk);
  else appendOthers(batch, chunk);
  chunk.n += batch.n;
}

function appendFrames(
  { n: count, off, len, original, fcs, seconds, nanoseconds }: CaptureBatch,
  chunk: Chunk,
): void {
  const { base, n: from } = chunk;
  const { off: offs, flags, wire, extra } = chunk;
  for (let i = 0; i < count; i++) {
    offs[from + i] = base + off[i]!;
    flags[from + i] = original[i]! > len[i]! ? TRUNCATED : 0;
    wire[from + i] = original[i]! + fcs[i]!;
    extra[from + i] = -fcs[i]!;
  }
  chunk.len.set(len.subarray(0, count), from);
  chunk.seconds.set(seconds.subarray(0, count), from);
  chunk.nanoseconds.set(nanoseconds.subarray(0, count), from);
}

/** Packets of which some are no Ethernet frames yet. */
function appendOthers(batch: CaptureBatch, chunk: Chunk): void {
  const { base } = chunk;
  const { off, len, original, fcs, linkType, seconds, nanoseconds } = batch;
  let n = chunk.n;
  for (let i = 0; i < batch.n; i++, n++) {
    let at = off[i]!;
    let length = len[i]!;
    const wire = original[i]!;
    let extra = -fcs[i]!;
    const flags = wire > length ? TRUNCATED : 0;
    const link = linkType[i]!;
    if (link !== LinkType.ethernet) {
      extra += Math.max(0, ethernetLength(link, wire)) - wire;
      const framed = ethernetLength(link, length);
      // A packet cut off inside its cooked header is an empty frame.
      if (framed >= 0) at = makeEthernet(link, chunk.bytes, base + at, length) - base;
      length = Math.max(0, framed);
    }
    chunk.off[n] = base + at;
    chunk.len[n] = length;
    chunk.flags[n] = flags;
    chunk.wire[n] = wire + fcs[i]!;
    chunk.extra[n] = extra;
    chunk.seconds[n] = seconds[i]!;
    chunk.nanoseconds[n] = nanoseconds[i]!;
  }
}
