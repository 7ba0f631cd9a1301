/**
 * Shards: the part of a sweep that one machine of several computes.
 *
 * Promise: the shards of a grid are a partition of its cells, and every machine finds the same one: it depends on the
 * cells and on the number of shards, not on the order of captures and policies in the call, threads, or what is done
 * already. Balanced by expected cost: no shard has more than the least one by more than its last portion. Pure.
 */
import { UserError } from '../errors.js';

/** Shard `index` of `count`; counts from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Cells that are computed together, and what that costs, in any unit. */
export interface Portion<C> {
  readonly cells: readonly C[];
  readonly cost: number;
}

/** Shards at most: so many machines are a mistake. */
const SHARDS_MAX = 100_000;

/** `2/8`. @throws UserError */
export function parseShard(text: string): Shard {
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text.trim());
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || count < 1 || count > SHARDS_MAX || index > count) {
    throw new UserError(`--shard: "${text}": expected I/N such as 2/8, with I from 1 to N`);
  }
  if (index === 0)
    throw new UserError(`--shard: "${text}": shards count from 1: 1/${count} to ${count}/${count}`);
  return { index, count };
}

export function shardText({ index, count }: Shard): string {
  return `${index}/${count}`;
}

type Keyed = { readonly key: string };

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Cells in an order that does not depend on the call. */
export function inKeyOrder<C extends Keyed>(cells: readonly C[]): C[] {
  return [...cells].sort((a, b) => byText(a.key, b.key));
}

/**
 * The cells of each shard: portions from the dearest to the cheapest, each to the shard that has least so far (longest
 * processing time first, Graham 1969: at most 4/3 of the best division).
 */
export function divide<C extends Keyed>(portions: readonly Portion<C>[], count: number): C[][] {
  const shards = Array.from({ length: count }, () => ({ cells: [] as C[], cost: 0 }));
  const named = portions.map((portion) => ({ ...portion, name: inKeyOrder(portion.cells)[0]?.key ?? '' }));
  named.sort((a, b) => b.cost - a.cost || byText(a.name, b.name));
  for (const { cells, cost } of named) {
    let least = shards[0]!;
    for (const shard of shards) if (shard.cost < least.cost) least = shard;
    least.cells.push(...cells);
    least.cost += cost;
  }
  return shards.map(({ cells }) => cells);
}
