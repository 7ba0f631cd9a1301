/**
 * An indirection table in the words of `ethtool -X`.
 *
 * Promise: the words fill the very table, or there are none: the command line knows turns (`equal`) and blocks (`weight`)
 * only, single entries go by netlink. Pure.
 */

/** `equal 4`, `weight 3 1 start 2`; null for a table that has no words. */
export function tableWords(entries: ArrayLike<number>): string | null {
  const list = Array.from(entries);
  const least = Math.min(...list);
  const most = Math.max(...list);
  const start = least > 0 ? ` start ${least}` : '';
  const count = most - least + 1;
  if (list.every((queue, i) => queue === least + (i % count))) return `equal ${count}${start}`;
  if (list.some((queue, i) => i > 0 && queue < list[i - 1]!)) return null;
  const weights = new Array<number>(count).fill(0);
  for (const queue of list) weights[queue - least]!++;
  return `weight ${weights.join(' ')}${start}`;
}

/** `aa:bb:…` of hexadecimal digits. */
export function keyWords(hex: string): string {
  return hex.match(/../g)!.join(':');
}
