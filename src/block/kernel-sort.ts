/**
 * The kernel's `sort()`: heapsort, which does not keep equal elements in order, so that what is equal has an order that
 * only the same steps give.
 *
 * Promise: the order of lib/sort.c, which changed with 6.9 (two elements leave the heap at a time) and with 6.11 (the last
 * three are sorted by hand). Sorts in place.
 */
import type { BlockBehaviour } from './behaviour.js';

/** Sorts as lib/sort.c does. `compare` as for `Array.sort`. */
export function kernelSort<T>(
  items: T[],
  compare: (a: T, b: T) => number,
  kind: BlockBehaviour['sort'],
): void {
  if (items.length < 2) return;
  const isDouble = kind !== 'single';
  const at = (i: number) => items[i]!;
  const swap = (a: number, b: number) => {
    const kept = at(a);
    items[a] = at(b);
    items[b] = kept;
  };
  let n = items.length;
  let a = n >> 1;
  let stride = 1;
  for (;;) {
    if (a > 0) a -= stride;
    else if (!isDouble) {
      if (--n === 0) return;
      swap(0, n);
    } else if (n > 3) {
      swap(0, --n);
      stride = compare(at(1), at(2)) <= 0 ? 2 : 1;
      a = stride;
      swap(a, --n);
    } else if (kind === 'double-single' && n > 1) swap(0, --n);
    else break;
    sift(a, n);
  }
  if (n < 2) return;
  swap(0, --n);
  if (n === 2 && compare(at(0), at(1)) > 0) swap(0, 1);

  /** Down to a leaf along the larger children, back up to where the element belongs, then the others move up. */
  function sift(top: number, end: number): void {
    let b = top;
    let c = 2 * b + 1;
    for (; c + 1 < end; c = 2 * b + 1) {
      const difference = compare(at(c), at(c + 1));
      b = difference > 0 || (difference === 0 && !isDouble) ? c : c + 1;
    }
    if (c + 1 === end) b = c;
    while (b !== top && compare(at(top), at(b)) >= 0) b = (b - 1) >> 1;
    const place = b;
    while (b !== top) {
      b = (b - 1) >> 1;
      swap(b, place);
    }
  }
}
