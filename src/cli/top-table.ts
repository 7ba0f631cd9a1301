/**
 * Tables of a screen: columns that fitted, rows sorted, coloured cells.
 *
 * Promise: pure; no line is wider than `width`; columns that do not fit are left out from the right.
 */
import { printable } from '../errors.js';
import type { Sorting } from './top-view.js';

/** Colours of a screen; identities where it has none. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  inverse(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
  cyan(text: string): string;
}

export interface TopColumn<R> {
  readonly title: string;
  readonly width: number;
  readonly align?: 'left' | 'right';
  readonly text: (row: R) => string;
  /** What it is sorted by; absent: not. */
  readonly sort?: (row: R) => number | string;
  readonly paint?: (row: R, paint: Paint) => (text: string) => string;
}

/** Text in exactly so many columns. */
export function fitted(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const clean = printable(text, Number.POSITIVE_INFINITY);
  if (clean.length > width) return width < 1 ? '' : `${clean.slice(0, width - 1)}…`;
  return align === 'right' ? clean.padStart(width) : clean.padEnd(width);
}

function compare(a: number | string, b: number | string): number {
  return typeof a === 'number' && typeof b === 'number'
    ? a - b
    : String(a) < String(b)
      ? -1
      : a === b
        ? 0
        : 1;
}

/** Columns that can be sorted by. */
export const sortable = <R>(columns: readonly TopColumn<R>[]) =>
  columns.filter(({ sort }) => sort !== undefined);

/** Heading and rows. */
export function tableLines<R>(
  columns: readonly TopColumn<R>[],
  rows: readonly R[],
  { width, sorting, paint }: { readonly width: number; readonly sorting?: Sorting; readonly paint: Paint },
): string[] {
  let used = 0;
  const shown = columns.filter((column) => {
    const needs = column.width + (used === 0 ? 0 : 1);
    if (used + needs > width) return false;
    used += needs;
    return true;
  });
  const by = sorting === undefined ? undefined : sortable(columns)[sorting.column];
  const sort = by?.sort;
  const ordered =
    sort === undefined
      ? rows
      : rows
          .map((row, i) => ({ row, i, key: sort(row) }))
          .sort((a, b) => (sorting!.down ? -1 : 1) * compare(a.key, b.key) || a.i - b.i)
          .map(({ row }) => row);
  const heads = shown.map((column) => {
    const mark = column === by ? (sorting!.down ? '▼' : '▲') : '';
    return paint.bold(fitted(`${column.title}${mark}`, column.width, column.align));
  });
  const lines = ordered.map((row) =>
    shown
      .map((column) => {
        const cell = fitted(column.text(row), column.width, column.align);
        return column.paint === undefined ? cell : column.paint(row, paint)(cell);
      })
      .join(' '),
  );
  return [heads.join(' '), ...lines];
}
