/**
 * Fault injection for tests: a worker dies, or stands still, at a named stage of its loop.
 *
 * Promise: costs one comparison a stage and burst when off. A fault is `STAGE@WORKER` or `STAGE@WORKER:AFTER` (at the
 * AFTERth time that this worker reaches the stage with frames at hand; default 1): it throws there. The fault is taken
 * by whoever throws it: the restarted worker runs on, unless a `+` at the end says that it shall die again. A `=` at
 * the end lets it stand still instead: its shared word becomes `Paused.waits`, and it goes on when that is set to
 * `Paused.released` and notified (or after `PAUSE_MAX_MS`); with `!` it dies then. Faults of several workers are
 * separated by `/`; each worker has one.
 */
import { UserError } from '../../errors.js';

export const STAGES = ['receive', 'steer', 'dispatch', 'drain', 'decide', 'transmit', 'complete'] as const;
export type Stage = (typeof STAGES)[number];

/** Values of the shared word: not reached, thrown, standing still, told to go on. */
export const Paused = { no: 0, thrown: 1, waits: 2, released: 3 } as const;
/** A test that never releases a worker shall fail, not hang. */
const PAUSE_MAX_MS = 20_000;

export class Fault {
  readonly stage: string;
  private left: number;
  private readonly how: string;

  /** @param once shared words; the one at `word` says whether any incarnation of the worker has had the fault. */
  constructor(
    text: string | null,
    worker: number,
    private readonly once: Int32Array,
    private readonly word: number,
  ) {
    const fault = text === null ? undefined : parseFaults(text).find((one) => one.worker === worker);
    const due = fault?.how === '+' || Atomics.load(once, word) === Paused.no;
    const mine = fault !== undefined && due;
    this.stage = mine ? fault.stage : '';
    this.left = mine ? fault.after : 0;
    this.how = fault?.how ?? '';
  }

  /** Throws, or stands still, if the fault is due at this stage. */
  reach(stage: Stage): void {
    if (this.stage !== stage) return;
    this.left--;
    if (this.left === 0) {
      if (this.how === '=' || this.how === '!') {
        Atomics.store(this.once, this.word, Paused.waits);
        Atomics.wait(this.once, this.word, Paused.waits, PAUSE_MAX_MS);
        if (this.how === '=') return;
      }
      Atomics.store(this.once, this.word, Paused.thrown);
      throw new Error(`injected fault at ${stage}`);
    }
  }
}

interface ParsedFault {
  stage: Stage;
  worker: number;
  after: number;
  /** What follows: `+`, `=`, `!` or nothing, see above. */
  how: string;
}

/** All faults of a text. Throws UserError. */
export function parseFaults(text: string): ParsedFault[] {
  return text.split('/').map(parseFault);
}

function parseFault(text: string): ParsedFault {
  const match = /^([a-z]+)@(\d{1,9})(?::([1-9]\d{0,8}))?([+=!])?$/.exec(text);
  const stage = STAGES.find((name) => name === match?.[1]);
  if (match === null || stage === undefined) {
    throw new UserError(
      `fault "${text}": expected STAGE@WORKER[:AFTER][+|=|!] with STAGE one of ${STAGES.join(', ')}`,
    );
  }
  return {
    stage,
    worker: Number(match[2]),
    after: Number(match[3] ?? 1),
    how: match[4] ?? '',
  };
}
