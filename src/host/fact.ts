/**
 * What was read of a host, or why it could not be.
 *
 * Promise: a fact is a value, or `Unknown` with one line that says why; nothing that could not be read is ever taken
 * for zero, empty or fine. Pure.
 */

/** A value that could not be had. */
export interface Unknown {
  /** One line: `no right to read /proc/…`, `not in the collection`. */
  readonly unknown: string;
  /** What hindered it: the file is not there, no right, or anything else. */
  readonly because: 'absent' | 'denied' | 'other';
}

/** A value, or why there is none. */
export type Fact<T> = T | Unknown;

/** Makes an `Unknown`. */
export function unknown(why: string, because: Unknown['because'] = 'other'): Unknown {
  return { unknown: why, because };
}

/** Whether a fact has a value. */
export function known<T>(fact: Fact<T>): fact is Exclude<T, Unknown> {
  return typeof fact !== 'object' || fact === null || !('unknown' in fact);
}

/**
 * How many of something a device has, or which of them: no driver has more than 65536 queues, table entries, names or
 * rules, so an answer that says so is none, and costs no memory.
 */
export const COUNT_MAX = 1 << 16;

/** The value, or another one where there is none: only where the difference does not matter. */
export function valueOr<T, D>(fact: Fact<T>, otherwise: D): T | D {
  return known(fact) ? fact : otherwise;
}

/** Applies a function to a known value. */
export function map<T, U>(fact: Fact<T>, change: (value: T) => Fact<U>): Fact<U> {
  return known(fact) ? change(fact as T) : (fact as Unknown);
}

/** Why several facts could not be had: the reasons, each once. */
export function reasons(facts: readonly Fact<unknown>[]): string {
  return [...new Set(facts.flatMap((fact) => (known(fact) ? [] : [(fact as Unknown).unknown])))].join('; ');
}
