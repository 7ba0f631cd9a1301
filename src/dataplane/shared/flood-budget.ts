/**
 * A budget of flooded copies for each in-port: a token bucket in shared memory.
 *
 * Promise: what one port's broadcasts, multicasts and frames to unknown addresses make the workers send beyond one copy
 * each stays within `rate` copies a second and a burst of `burstOf(rate)`, all workers together. A frame that the budget
 * has no room for is not flooded at all: its bytes are not sent to some ports and kept from others. Traffic to known
 * addresses, and floods to a single port, take nothing from it. The burst is also the most that one port's floods can
 * make a pass send.
 *
 * Threads: any worker takes and refills. Tokens move by atomic additions; the worker that exchanges the time of the last
 * refill for now refills, so no time is credited twice. A rate of 0 is no limit.
 */
import type { ThreadClock } from '../memory/clock.js';
import { ClockTime } from '../memory/clock.js';
import type { Carver } from '../memory/layout.js';

/**
 * Copies a second where a port says nothing: with 255 ports 980 floods a second, four times what ARP, ND and DHCP of
 * thousands of stations come to; and a quarter of what one worker can send.
 */
export const FLOOD_RATE = 250_000;

/** Copies that may be sent at once, at a rate of so many a second. */
export function burstOf(rate: number): number {
  return Math.max(1024, Math.floor(rate / 50));
}

const TOKENS = 0;
/** Milliseconds of the clock that all threads share, modulo 2^32; 0 = never. */
const REFILLED = 1;
const WORDS = 2;

export function carveFloods(carver: Carver, ports: number): Int32Array {
  return carver.words(ports * WORDS);
}

export class FloodBudget {
  constructor(
    private readonly words: Int32Array,
    private readonly clock: ThreadClock,
  ) {}

  /** Takes `copies` from the budget of a port with this rate; false, and nothing is taken, where it has fewer. */
  take(port: number, rate: number, copies: number): boolean {
    if (rate === 0 || copies <= 0) return true;
    // First: what a rest has earned is no more than a burst, whatever was left before it.
    this.refill(port, rate);
    const at = port * WORDS + TOKENS;
    if (Atomics.sub(this.words, at, copies) >= copies) return true;
    Atomics.add(this.words, at, copies);
    return false;
  }

  private refill(port: number, rate: number): void {
    const { words, clock } = this;
    const at = port * WORDS;
    clock.look();
    const now = ((clock.times[ClockTime.ns]! / 1e6) % 0x1_0000_0000) | 0 || 1;
    const before = Atomics.load(words, at + REFILLED);
    const burst = burstOf(rate);
    const elapsed = before === 0 ? Number.POSITIVE_INFINITY : (now - before) | 0;
    // Another thread's look may be newer than this one's.
    if (elapsed <= 0) return;
    const due = Math.min(burst, Math.floor((elapsed * rate) / 1000));
    if (due === 0 || Atomics.compareExchange(words, at + REFILLED, before, now) !== before) return;
    const room = burst - Atomics.load(words, at + TOKENS);
    if (room > 0) Atomics.add(words, at + TOKENS, Math.min(room, due));
  }
}
