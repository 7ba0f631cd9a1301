/**
 * Fault injection for tests of worker death: throws once at a named stage of the worker loop.
 *
 * Promise: costs one comparison a stage and burst when off. A fault is `STAGE@WORKER` or `STAGE@WORKER:AFTER`
 * (throw at the AFTERth time that this worker reaches the stage with frames at hand; default 1). The fault is
 * taken by whoever throws it: the restarted worker runs on, unless a `+` at the end says that it shall die again.
 */
import { UserError } from '../errors.js';

export const STAGES = ['receive', 'steer', 'dispatch', 'drain', 'decide', 'transmit', 'complete'] as const;
export type Stage = (typeof STAGES)[number];

export class Fault {
  readonly stage: string;
  private left: number;

  /** @param once shared word: 1 once the fault was thrown by any incarnation of the worker. */
  constructor(
    text: string | null,
    worker: number,
    private readonly once: Int32Array,
    private readonly word: number,
  ) {
    const fault = text === null ? null : parseFault(text);
    const due = fault?.again === true || Atomics.load(once, word) === 0;
    const mine = fault !== null && fault.worker === worker && due;
    this.stage = mine ? fault.stage : '';
    this.left = mine ? fault.after : 0;
  }

  /** Throws if the fault is due at this stage. */
  reach(stage: Stage): void {
    if (this.stage !== stage) return;
    this.left--;
    if (this.left === 0) {
      Atomics.store(this.once, this.word, 1);
      throw new Error(`injected fault at ${stage}`);
    }
  }
}

export function parseFault(text: string): { stage: Stage; worker: number; after: number; again: boolean } {
  const match = /^([a-z]+)@(\d{1,9})(?::([1-9]\d{0,8}))?(\+)?$/.exec(text);
  const stage = STAGES.find((name) => name === match?.[1]);
  if (match === null || stage === undefined) {
    throw new UserError(
      `fault "${text}": expected STAGE@WORKER[:AFTER][+] with STAGE one of ${STAGES.join(', ')}`,
    );
  }
  return { stage, worker: Number(match[2]), after: Number(match[3] ?? 1), again: match[4] === '+' };
}
