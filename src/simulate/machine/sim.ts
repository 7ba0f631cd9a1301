/**
 * The clock and the loop: takes the earliest event and hands it to its actor.
 *
 * Promise: virtual time only; no wall clock, no `Math.random`, no dependence on the order of maps. What a run did is
 * hashed event by event into `trace`: two runs with the same trace did the same. One thread.
 */
import { UserError } from '../../errors.js';
import { EventQueue } from './event-queue.js';

/** Picoseconds in a nanosecond: costs are given in nanoseconds and fractions of them, times are whole picoseconds. */
export const PS = 1000;
/** Picoseconds in a second. */
export const SECOND = 1e12;

/** Whole picoseconds of nanoseconds. */
export function ps(ns: number): number {
  return Math.round(ns * PS);
}

/** Events of one moment, or steps of a CPU in one, beyond which time stands still. */
const STILL = 1_000_000;

/** Counts what happens at one moment. @throws UserError where that has no end */
export class Standstill {
  #count = 0;

  /** Something happens, and no time passes. */
  note(now: number): void {
    if (++this.#count <= STILL) return;
    throw new UserError(
      `at ${now / 1e9} ms time stands still: something goes on without end and takes no time; give its work a cost above 0`,
    );
  }

  /** Time has passed. */
  reset(): void {
    this.#count = 0;
  }
}

/** Something that events are for: a CPU, a link, a source of packets, a timer. */
export interface Actor {
  /** It is `sim.now`. `arg` is what `at` was given. */
  fire(arg: number): void;
}

/** One simulated world. */
export class Sim {
  /** Virtual time in picoseconds. */
  now = 0;
  /** Events handled. */
  events = 0;
  /** Hash over (time, actor, argument) of all events so far, a signed word. */
  trace = 0x6a09e667;
  readonly #queue = new EventQueue();
  readonly #actors: Actor[] = [];

  /** Steps that keeping events in order took, beyond one for each. */
  get steps(): number {
    return this.#queue.steps;
  }

  /** Enters an actor and returns its number, which events name it by. */
  enter(actor: Actor): number {
    return this.#actors.push(actor) - 1;
  }

  /** `actor` gets `arg` at `time` (picoseconds, not in the past). */
  at(time: number, actor: number, arg: number): void {
    this.#queue.push(time, actor, arg);
  }

  /** Handles all events up to and including `until`, which is the time afterwards. */
  run(until: number): void {
    const queue = this.#queue;
    const actors = this.#actors;
    const still = new Standstill();
    let { events, trace } = this;
    while (queue.popUntil(until)) {
      const { time, actor, arg } = queue;
      if (time === this.now) still.note(time);
      else still.reset();
      this.now = time;
      events++;
      trace = Math.imul((trace ^ (time | 0)) + actor, 0x01000193) ^ arg;
      trace ^= trace >>> 15;
      actors[actor]!.fire(arg);
    }
    this.now = until;
    this.events = events;
    this.trace = trace;
  }
}
