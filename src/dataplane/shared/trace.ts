/**
 * Tracing live decisions: the worker's tap, and the main thread's collection.
 *
 * Promise: off, it costs one plain load a burst. Armed with n, the next n frames that any worker steers are
 * explained (the same `explainAt` as everywhere else) and posted with their first bytes to the main thread; each
 * wanted decision is taken from the shared word by compare-and-swap, so there are never more than n. The traced
 * frames themselves go their way as always, a little later.
 */

import { UserError } from '../../errors.js';
import type { Burst } from '../../packet/burst.js';
import { describeFrame } from '../../packet/describe.js';
import { type Explanation, explainAt } from '../../policy/explanation.js';
import type { Steering } from '../../policy/steering.js';
import { Global } from './words.js';

/** Bytes of a frame that a trace entry holds at most. */
export const TRACE_BYTES = 256;

/** One live decision. */
export interface TraceEntry extends Explanation {
  /** Name of the port, its index, and the receive queue. */
  readonly port: string;
  readonly portIndex: number;
  readonly rxQueue: number;
  /** The worker that received the frame and decided. */
  readonly by: number;
  /**
   * The worker that the frame went to; `Explanation.worker` is the one that the policy named. They differ while a
   * flow is kept on its old worker (order=strict), which `reason` says too.
   */
  readonly to: number;
  /** Wall-clock time of the decision in milliseconds since the epoch. */
  readonly timeMs: number;
  /** The first bytes (at most `TRACE_BYTES`) of the frame, and its whole length. */
  readonly frame: Uint8Array;
  readonly length: number;
}

/** How long a trace is waited for. */
export interface TraceOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number;
  /** Ends the trace with what it has, when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

/** What a worker posts: an entry without what only the main thread knows, and the number of its trace. */
export interface TraceMessage {
  readonly trace: number;
  readonly entry: Omit<TraceEntry, 'port'>;
}

/** What became of a frame that did not just go where steering said. */
export interface TraceFate {
  readonly to: number;
  readonly why: string;
}

/** Word behind `Global.trace`: the number of the trace that is armed. */
const TRACE_ID = Global.trace + 1;

/** The worker's side. */
export class TraceTap {
  private taken: TraceMessage['entry'][] = [];
  private trace = 0;

  constructor(
    private readonly global: Int32Array,
    private readonly worker: number,
    private readonly post: (message: TraceMessage) => void,
  ) {}

  /** A trace wants decisions. A plain load: a burst more or less does not matter. */
  armed(): boolean {
    return this.global[Global.trace] !== 0;
  }

  /** After steering, before dispatch (then the frames belong to others): explains as many frames as are wanted. */
  take(steering: Steering, burst: Burst): void {
    this.trace = Atomics.load(this.global, TRACE_ID);
    for (let i = 0; i < burst.n && this.takeOne(); i++) {
      const from = burst.off[i]!;
      const length = burst.len[i]!;
      this.taken.push({
        ...explained(steering, burst, i),
        portIndex: burst.port,
        rxQueue: burst.queue,
        by: this.worker,
        to: -1,
        timeMs: performance.timeOrigin + performance.now(),
        frame: burst.bytes.slice(from, from + Math.min(length, TRACE_BYTES)),
        length,
      });
    }
  }

  /** After dispatch. `fateOf(i, wanted)` tells what became of frame i unless it just went to worker `wanted`. */
  finish(fateOf: (i: number, wanted: number) => TraceFate | null): void {
    const { taken, trace } = this;
    this.taken = [];
    taken.forEach((entry, i) => {
      const fate = fateOf(i, entry.worker) ?? { to: entry.worker, why: '' };
      const reason = fate.why === '' ? entry.reason : `${entry.reason}; ${fate.why}`;
      this.post({ trace, entry: { ...entry, to: fate.to, reason } });
    });
  }

  private takeOne(): boolean {
    const { global } = this;
    let left = Atomics.load(global, Global.trace);
    while (left > 0) {
      const seen = Atomics.compareExchange(global, Global.trace, left, left - 1);
      if (seen === left) return true;
      left = seen;
    }
    return false;
  }
}

/** The explanation, also where the policy's own fails: no wish to see a decision may end the worker. */
function explained(steering: Steering, burst: Burst, i: number): Explanation {
  try {
    return explainAt(steering, burst, i);
  } catch (error) {
    const reason = `no explanation: ${String((error as Error)?.message ?? error).split('\n')[0]}`;
    const packet = describeFrame(burst, i);
    return { packet, hash: null, bucket: null, queue: null, worker: burst.worker[i]!, reason };
  }
}

/** The main thread's side: one trace at a time. */
export class TraceCollector {
  private id = 0;
  private wanted = 0;
  private entries: TraceEntry[] = [];
  private done: (() => void) | null = null;

  constructor(
    private readonly global: Int32Array,
    private readonly portName: (index: number) => string,
  ) {}

  get busy(): boolean {
    return this.done !== null;
  }

  /** Arms the taps; resolves with `n` entries, or fewer after the time, in the order of their times. */
  async collect(n: number, timeoutMs: number, signal?: AbortSignal): Promise<TraceEntry[]> {
    this.id++;
    this.entries = [];
    this.wanted = n;
    let timer: NodeJS.Timeout | undefined;
    const complete = new Promise<void>((resolve) => {
      this.done = resolve;
      timer = setTimeout(resolve, timeoutMs);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    Atomics.store(this.global, TRACE_ID, this.id);
    Atomics.store(this.global, Global.trace, n);
    await complete;
    clearTimeout(timer);
    Atomics.store(this.global, Global.trace, 0);
    this.done = null;
    return this.entries.sort((a, b) => a.timeMs - b.timeMs);
  }

  /** Ends a trace that runs with what it has. */
  end(): void {
    this.done?.();
  }

  /** What a worker posted; late entries of an earlier trace are left out. */
  accept({ trace, entry }: TraceMessage): void {
    if (this.done === null || trace !== this.id || this.entries.length >= this.wanted) return;
    this.entries.push({ ...entry, port: this.portName(entry.portIndex) });
    if (this.entries.length === this.wanted) this.done();
  }
}

/** Decisions that one trace may ask for. */
const TRACE_MAX = 10_000;
const TRACE_TIMEOUT_MS = 10_000;

/** `LiveEngine.trace`. */
export async function traceDecisions(
  collector: TraceCollector,
  n: number,
  { timeoutMs = TRACE_TIMEOUT_MS, signal }: TraceOptions,
): Promise<TraceEntry[]> {
  if (!Number.isInteger(n) || n < 1 || n > TRACE_MAX) {
    throw new UserError(`trace ${n}: expected 1 to ${TRACE_MAX} decisions`);
  }
  if (collector.busy)
    throw new UserError('another trace is running: one at a time', { code: 'RXS_CONFLICT' });
  signal?.throwIfAborted();
  return collector.collect(n, timeoutMs, signal);
}
