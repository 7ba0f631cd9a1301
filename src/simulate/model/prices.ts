/**
 * Costs as the model uses them: picoseconds.
 *
 * Promise: whole numbers but for prices a byte. Numbers of lines and misses, and factors, stay as they are.
 */

import type { Costs } from '../costs/schema.js';
import { PS } from '../machine/sim.js';

/** The same names as `Costs`, in picoseconds. */
export type Price = Costs;

const PLAIN = new Set(['lines', 'misses', 'siblingSlowdown', 'interference']);
/** Fractions of a nanosecond a byte must not be rounded. */
const EXACT = new Set(['copyByte']);

/** Converts a set of costs. */
export function pricesOf(costs: Costs): Price {
  const convert = (value: unknown, isExact: boolean): unknown => {
    if (typeof value === 'number') return isExact ? value * PS : Math.round(value * PS);
    return Object.fromEntries(
      Object.entries(value as object).map(([name, inner]) => [name, convert(inner, isExact)]),
    );
  };
  return Object.fromEntries(
    Object.entries(costs).map(([name, value]) => [
      name,
      PLAIN.has(name) ? value : convert(value, EXACT.has(name)),
    ]),
  ) as unknown as Price;
}
