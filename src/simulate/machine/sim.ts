/**
 * The clock and the loop: takes the earliest event and hands it to its actor.
 *
 * Promise: virtual time only; no wall clock, no `Math.random`, no dependence on the order of maps. What a run did is
 * hashed event by event into `trace`: two runs with the same trace did the same. One thread.
 */
import { EventQueue } from './event-queue.js';

/** Picoseconds in a nanosecond: costs are given in nanoseconds and fractions of them, times are whole picoseconds. */
export const PS = 1000;
/** Picoseconds in a second. */
export const SECOND = 1e12;

/** Whole picoseconds of nanoseconds. */
export function ps(ns: number): number {
  return Math.round(ns * PS);
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
    let { events, trace } = this;
    while (queue.popUntil(until)) {
      const { time, actor, arg } = queue;
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
