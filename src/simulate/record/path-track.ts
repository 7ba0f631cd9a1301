/**
 * A packet that is followed: who worked on it and where it waited.
 *
 * Promise: spans in the order of time, without overlap; neighbours of one step are one span. What is between two spans
 * is a wait: in the queue that it was put into, else on a link or in a device.
 */
import { CLASSES } from '../machine/classes.js';
import type { RecordedCpu } from '../machine/recorder.js';
import type { PacketPath, PathSpan } from './shown.js';

/** Picoseconds in a microsecond. */
const US = 1e6;

/** A span in picoseconds of the clock. */
export interface Span {
  readonly kind: 'work' | 'around';
  readonly cpu: number;
  readonly cls: number;
  readonly label: string;
  readonly isGuest: boolean;
  readonly start: number;
  end: number;
}

interface Queued {
  readonly reason: string;
  readonly at: number;
}

export class PathTrack {
  readonly spans: Span[] = [];
  readonly #queued: Queued[] = [];
  #ended = 0;

  constructor(
    readonly flow: number,
    readonly born: number,
  ) {}

  get latency(): number {
    return this.#ended - this.born;
  }

  get #last(): number {
    return this.spans.at(-1)?.end ?? this.born;
  }

  work(cpu: RecordedCpu, cls: number, label: string, isGuest: boolean, start: number, time: number): void {
    const last = this.spans.at(-1);
    const isSame = last?.kind === 'work' && last.cpu === cpu.id && last.cls === cls && last.label === label;
    if (isSame && last.end >= start) last.end = start + time;
    else this.spans.push({ kind: 'work', cpu: cpu.id, cls, label, isGuest, start, end: start + time });
  }

  /** A CPU takes it: what that CPU did just before, after the packet was last worked on, belongs to its way. */
  take(around: readonly Span[], now: number): void {
    const queued = this.#queued.at(-1)?.at ?? this.born;
    for (const span of around) {
      if (span.start >= this.#last && span.end > queued && span.end <= now) this.spans.push({ ...span });
    }
  }

  queue(reason: string, at: number): void {
    this.#queued.push({ reason, at });
  }

  end(now: number): void {
    this.#ended = now;
  }

  /** As plain data. */
  shown(guest: string | null, of: number): PacketPath {
    const { born } = this;
    const us = (time: number) => (time - born) / US;
    const shown: PathSpan[] = [];
    const wait = (start: number, end: number, label: string) => {
      if (end <= start) return;
      const nothing = { cpu: null, class: null, inGuest: false } as const;
      shown.push({ kind: 'wait', label, ...nothing, startUs: us(start), endUs: us(end) });
    };
    /** Nobody works on it from `start` to `end`: first on its way to a queue, then in it. */
    const gap = (start: number, end: number) => {
      const queued = this.#queued.findLast(({ at }) => at >= start && at <= end);
      wait(start, queued?.at ?? end, 'link');
      if (queued !== undefined) wait(queued.at, end, queued.reason);
    };
    let at = born;
    for (const { kind, cpu, cls, label, isGuest, start, end } of this.spans) {
      // In the queue still, while its CPU does something else.
      const before = shown.at(-1);
      if (kind === 'around' || before?.kind !== 'around') gap(at, start);
      else wait(at, start, this.#queued.findLast((one) => one.at <= at)?.reason ?? 'link');
      const place = { cpu, class: CLASSES[cls]!, inGuest: isGuest };
      shown.push({ kind, label, ...place, startUs: us(start), endUs: us(end) });
      at = Math.max(at, end);
    }
    gap(at, this.#ended);
    const cpus = shown.flatMap(({ kind, cpu }) => (kind === 'work' ? [cpu!] : []));
    const isNext = (cpu: number, i: number) => cpu !== cpus[i - 1];
    return { guest, latencyUs: us(this.#ended), cpus: cpus.filter(isNext), spans: shown, of };
  }
}
