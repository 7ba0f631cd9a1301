/**
 * Random numbers of the simulator: a function of (seed, entity, number of the draw), not a stream.
 *
 * Promise: the n-th draw of an entity is the same whatever the others draw and in whatever order, on every machine and
 * Node version: integers, and of floating point only +, -, * and /, which IEEE 754 fixes to the last bit. (`Math.log`
 * may differ from one version of V8 to the next.)
 */

/** A seed for the entity of this name under a seed: FNV-1a over the name, then a finaliser. */
export function entitySeed(seed: number, name: string): number {
  let h = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return mix(h, 0x5bd1e995);
}

/** 32 bits from two words (the finaliser of splitmix32 over their combination). Signed. */
export function mix(a: number, b: number): number {
  let x = (a ^ Math.imul(b, 0x9e3779b1)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = (x + b) | 0;
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

/** Draw `n` of an entity, evenly from the open interval (0, 1). */
export function unit(seed: number, n: number): number {
  return ((mix(seed, n) >>> 0) + 0.5) / 0x1_0000_0000;
}

/** Draw `n` of an entity, a whole number below `limit`. */
export function below(seed: number, n: number, limit: number): number {
  return Math.floor(unit(seed, n) * limit);
}

const LN2 = Math.LN2;

/** Natural logarithm of a number in (0, 1], to about 1e-13. */
export function ln(u: number): number {
  let e = 0;
  let f = u;
  // At most 33 halvings for draws; smaller numbers work too.
  while (f < Math.SQRT1_2) {
    f *= 2;
    e--;
  }
  const s = (f - 1) / (f + 1);
  const q = s * s;
  const series =
    1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q / 15))))));
  return e * LN2 + 2 * s * series;
}

/** Draw `n` of an entity from the exponential distribution with mean 1. */
export function exponential(seed: number, n: number): number {
  return -ln(unit(seed, n));
}

/** How service and think times vary around their mean. */
export type Variation = 'none' | 'uniform' | 'exponential';

/** A factor with mean 1: 1, 1 ± spread, or exponential. */
export function factor(kind: Variation, spread: number, seed: number, n: number): number {
  if (kind === 'none') return 1;
  if (kind === 'uniform') return 1 - spread + 2 * spread * unit(seed, n);
  return exponential(seed, n);
}
