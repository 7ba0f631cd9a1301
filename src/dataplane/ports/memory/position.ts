/**
 * Where a memory source is: frame number i, decoded.
 *
 * Promise: pure. Flows are visited in rounds, every flow once a round, in steps that are coprime to their number, from a
 * first flow that differs from round to round. Elephants are visited in turn between them: every frame adds the
 * elephants' share to a credit, and one is next when it reaches `SHARE_ONE`.
 */

import { SHARE_ONE, type SourcePart } from './mix.js';
import type { MemorySourceOptions } from './options.js';
import { mix } from './templates.js';

export interface SourcePlace {
  /** Number of the next frame. */
  readonly index: number;
  /** It is number `place` of round `round` and belongs to ordinary flow number `flow`, unless an elephant is next. */
  readonly round: number;
  readonly place: number;
  readonly flow: number;
  /** The same of the elephants; `credit` reaches SHARE_ONE when one is next. */
  readonly heavyRound: number;
  readonly heavyPlace: number;
  readonly credit: number;
  /** Place in the cycle of lengths of `imix`. */
  readonly phase: number;
}

/** Frame lengths of `imix`, 7 : 4 : 1 (Ethernet 64, 594 and 1518 bytes with FCS), spread over 12 frames. */
export const IMIX = Int32Array.of(60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590, 60);

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Step from flow to flow within a round: coprime to the number of flows, so that a round visits each once. */
export function sourceStep(seed: number, flows: number): number {
  const rounds = Math.max(1, flows);
  let step = 1 + (mix(seed ^ 0x5eed) % rounds);
  while (gcd(step, rounds) !== 1) step++;
  return (step % rounds) | 0;
}

/** First flow of a round. */
export function firstOfRound(seed: number, round: number, flows: number): number {
  // `| 0` here and below: a field that once held the double that `%` makes is a double for ever, and so is all that a
  // loop computes from it.
  return (mix(mix(seed) ^ (round | 0)) % flows) | 0;
}

/** The place of frame `index` of a part. */
export function placeOf({ seed }: MemorySourceOptions, part: SourcePart, index: number): SourcePlace {
  const flows = part.ordinary.length;
  const elephants = part.heavy.length;
  // Once a start, so BigInt may do what doubles cannot.
  const credits = BigInt(index) * BigInt(part.heavyShare);
  const credit = Number(credits % BigInt(SHARE_ONE)) | 0;
  const heavy = elephants === 0 ? 0 : Number(credits / BigInt(SHARE_ONE));
  const heavyRound = elephants === 0 ? 0 : Math.floor(heavy / elephants);
  const heavyPlace = elephants === 0 ? 0 : (heavy - heavyRound * elephants) | 0;
  const ordinary = index - heavy;
  const round = flows === 0 ? 0 : Math.floor(ordinary / flows);
  const place = flows === 0 ? 0 : (ordinary - round * flows) | 0;
  // Below 2^40: exact.
  const flow =
    flows === 0 ? 0 : ((firstOfRound(seed, round, flows) + sourceStep(seed, flows) * place) % flows) | 0;
  return { index, round, place, flow, heavyRound, heavyPlace, credit, phase: (index % 12) | 0 };
}

/** The number that two state words hold: low half, high half. */
export function indexIn(state: Int32Array): number {
  return (state[1]! >>> 0) * 0x1_0000_0000 + (state[0]! >>> 0);
}

/**
 * Milliseconds until a source with a rate has something: the burst that the next frame belongs to is due when all frames
 * before it should have been given.
 * @param startMs when its clock started, -1 = not yet
 * @param given frames since then
 */
export function untilDue(now: number, startMs: number, given: number, burst: number, rate: number): number {
  if (rate === 0 || startMs < 0) return 0;
  const dueMs = startMs + ((given - (given % burst)) * 1000) / rate;
  return dueMs > now ? dueMs - now : 0;
}
