/**
 * The views of `rxsteer top` and what keys do to them.
 *
 * Promise: pure: a key gives another state, or the wish to end. Every view remembers how it was sorted.
 */

export const VIEWS = ['overview', 'workers', 'ports', 'guests', 'handoffs', 'order', 'events'] as const;
export type ViewName = (typeof VIEWS)[number];

/** Column that rows are sorted by, and whether the largest is first. */
export interface Sorting {
  readonly column: number;
  readonly down: boolean;
}

export interface View {
  readonly name: ViewName;
  readonly sorting: Readonly<Partial<Record<ViewName, Sorting>>>;
  /** Rows scrolled past. */
  readonly scroll: number;
  readonly paused: boolean;
  readonly help: boolean;
  /** Milliseconds between two readings. */
  readonly everyMs: number;
}

export const FIRST_VIEW: View = {
  name: 'overview',
  sorting: {},
  scroll: 0,
  paused: false,
  help: false,
  everyMs: 1000,
};

const PACES = [250, 500, 1000, 2000, 5000, 10_000];

/** What keys do, for the help. */
export const KEYS: readonly (readonly [string, string])[] = [
  ['1 - 7', 'the views whose names stand below'],
  ['Tab, left, right', 'next view, and the one before'],
  ['s, S', 'sort by the next column, and by the one before'],
  ['r', 'reverse the order'],
  ['up, down, PgUp, PgDn', 'scroll; Home: to the top'],
  ['space, p', 'pause and go on'],
  ['+, -', 'more often, and more rarely'],
  ['h, ?', 'this help'],
  ['Ctrl-Z', 'stop, until fg'],
  ['q, Esc, Ctrl-C', 'end'],
];

/**
 * What a key makes of a view; null = the end.
 * @param key as Node's readline names it, or the character
 * @param columns columns of each view that can be sorted by; page: rows of a page
 */
export function press(
  view: View,
  key: string,
  { columns, page }: { readonly columns: number; readonly page: number },
): View | null {
  const to = (name: ViewName): View => ({ ...view, name, scroll: 0, help: false });
  const at = VIEWS.indexOf(view.name);
  const digit = VIEWS[Number(key) - 1];
  if (digit !== undefined) return to(digit);
  const sorting = view.sorting[view.name];
  const sortBy = (column: number, down = true): View => ({
    ...view,
    sorting: { ...view.sorting, [view.name]: { column: (column + columns) % Math.max(1, columns), down } },
  });
  const scrolled = (rows: number): View => ({ ...view, scroll: Math.max(0, view.scroll + rows) });
  switch (key) {
    case 'q':
    case 'ctrl-c':
      return null;
    case 'escape':
      return view.help ? { ...view, help: false } : null;
    case 'tab':
    case 'right':
      return to(VIEWS[(at + 1) % VIEWS.length]!);
    case 'left':
      return to(VIEWS[(at + VIEWS.length - 1) % VIEWS.length]!);
    case 's':
      return sortBy((sorting?.column ?? -1) + 1);
    case 'S':
      return sortBy((sorting?.column ?? 0) - 1);
    case 'r':
      return sortBy(sorting?.column ?? 0, !(sorting?.down ?? false));
    case 'up':
      return scrolled(-1);
    case 'down':
      return scrolled(1);
    case 'pageup':
      return scrolled(-page);
    case 'pagedown':
      return scrolled(page);
    case 'home':
      return { ...view, scroll: 0 };
    case 'space':
    case ' ':
    case 'p':
      return { ...view, paused: !view.paused };
    case '+':
    case '=':
      return { ...view, everyMs: [...PACES].reverse().find((ms) => ms < view.everyMs) ?? PACES[0]! };
    case '-':
      return { ...view, everyMs: PACES.find((ms) => ms > view.everyMs) ?? PACES.at(-1)! };
    case 'h':
    case '?':
      return { ...view, help: !view.help };
    default:
      return view;
  }
}
