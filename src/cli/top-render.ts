/**
 * The screen of `rxsteer top` as lines of text.
 *
 * Promise: a pure function of figures, view and size: no line is wider than the screen, there are never more lines than
 * rows, and everything that a port or guest is called is made harmless. 80 columns suffice.
 */
import { sparkline } from '../observe/sparkline.js';
import {
  CLASS_COLUMNS,
  DROP_COLUMNS,
  GUEST_COLUMNS,
  PORT_COLUMNS,
  short,
  WORKER_COLUMNS,
} from './top-columns.js';
import type { TopModel } from './top-model.js';
import { fitted, type Paint, sortable, type TopColumn, tableLines } from './top-table.js';
import { KEYS, type Sorting, VIEWS, type View, type ViewName } from './top-view.js';

export interface Screen {
  readonly columns: number;
  /** Infinity: as many as there are (a pipe). */
  readonly rows: number;
  readonly paint: Paint;
}

/** Columns of a view that can be sorted by. */
export function sortColumns(name: ViewName): number {
  const tables: Partial<Record<ViewName, number>> = {
    workers: sortable(WORKER_COLUMNS).length,
    ports: sortable(PORT_COLUMNS).length,
    guests: sortable(GUEST_COLUMNS).length,
    order: sortable(DROP_COLUMNS).length,
  };
  return tables[name] ?? 0;
}

function upFor(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** `text` in bold red where a count is not zero. */
const alarm = (count: number, text: string, paint: Paint) => (count > 0 ? paint.red(text) : text);

/** Parts of a line joined as far as they fit; each is text and how it is painted. */
function line(
  parts: readonly (readonly [text: string, paint?: (text: string) => string])[],
  width: number,
): string {
  let room = width;
  let out = '';
  for (const [text, painted] of parts) {
    const gap = out === '' ? 0 : 2;
    if (text.length + gap > room && out !== '') continue;
    const shown = fitted(text, Math.min(text.length, room - gap));
    out += ' '.repeat(gap) + (painted === undefined ? shown : painted(shown));
    room -= shown.length + gap;
  }
  return out;
}

function header(model: TopModel, { paused }: View, { columns, paint }: Screen): string[] {
  const policy = fitted(model.policy, Math.min(model.policy.length, Math.max(8, columns - 56)));
  const { totals } = model;
  const waited = totals.movesPostponed + totals.movesHeld;
  return [
    line(
      [
        ['rxsteer', paint.bold],
        ...(paused ? ([['PAUSED', paint.inverse]] as const) : []),
        [policy, paint.bold],
        [`${model.mode}, order ${model.order}`],
        [`${model.workers.length} workers`],
        [`up ${upFor(model.seconds)}`],
      ],
      columns,
    ),
    line(
      [
        [`in ${short(model.received)}/s`],
        [`out ${short(model.out)}/s`],
        [
          `dropped ${short(model.dropped)}/s, ${short(model.droppedInAll)} in all`,
          (text) => alarm(model.dropped, text, paint),
        ],
        [`kernel ${short(model.kernelDrops)}/s`, (text) => alarm(model.kernelDrops, text, paint)],
        [`reordered ${short(totals.reordered)}`, (text) => alarm(totals.reordered, text, paint)],
      ],
      columns,
    ),
    line(
      [
        [`imbalance ${model.imbalance === 0 ? '-' : model.imbalance.toFixed(2)}`],
        [`in flight ${short(totals.inFlight)}`],
        [`moves ${short(totals.moves)}${waited > 0 ? `, waited ${short(waited)}` : ''}`],
        [sparkline(model.past, Math.max(8, Math.min(60, columns - 46))), paint.cyan],
      ],
      columns,
    ),
  ];
}

/** Hand-offs as a matrix: from rows to columns, frames a second. */
function matrix(model: TopModel, { columns, paint }: Screen): string[] {
  const ids = model.workers.map(({ id }) => id);
  const width = 7;
  const shown = ids.slice(0, Math.max(1, Math.floor((columns - 9) / (width + 1))));
  const most = Math.max(0, ...model.handoffs.flat());
  const head = paint.bold(`from\\to ${shown.map((id) => ` ${fitted(String(id), width, 'right')}`).join('')}`);
  const rows = ids.map((from) => {
    const cells = shown.map((to) => {
      const rate = model.handoffs[from]?.[to] ?? 0;
      const text = ` ${fitted(from === to ? '·' : rate === 0 ? '-' : short(rate), width, 'right')}`;
      return most > 0 && rate > most / 2 ? paint.yellow(text) : rate > 0 ? text : paint.dim(text);
    });
    return `${fitted(String(from), 7, 'right')} ${cells.join('')}`;
  });
  const hidden = ids.length - shown.length;
  return [
    head,
    ...rows,
    ...(hidden > 0 ? [paint.dim(fitted(`and to ${hidden} more workers`, Math.min(columns, 26)))] : []),
  ];
}

function orderLines(model: TopModel, sorting: Sorting | undefined, screen: Screen): string[] {
  const { totals } = model;
  const { paint, columns: width } = screen;
  const moves = [
    ['flow moves', short(totals.moves)],
    ['waited', short(totals.movesPostponed)],
    ['held', short(totals.movesHeld)],
    ['given up', short(totals.movesCancelled)],
    ['not watched', short(totals.orderUnwatched)],
  ];
  return [
    line(
      moves.map(([name, value]) => [`${name} ${value}`] as const),
      width,
    ),
    '',
    ...tableLines(CLASS_COLUMNS, model.classes, { width, paint }),
    '',
    ...tableLines(DROP_COLUMNS, model.dropReasons, { width, paint, ...(sorting && { sorting }) }),
  ];
}

function eventLines({ events }: TopModel, { columns, paint }: Screen): string[] {
  if (events.length === 0) return [paint.dim(fitted('nothing was changed yet', Math.min(columns, 23)))];
  return [...events].reverse().map(({ at, kind, text, durationMs }) => {
    const time = new Date(at).toISOString().slice(11, 19);
    const took = durationMs === null ? '' : `  (${durationMs} ms)`;
    const all = `${time}  ${kind.padEnd(9)} ${text}${took}`;
    return fitted(all, Math.min(columns, all.length));
  });
}

/** The part of a view below the header. */
function body(model: TopModel, view: View, screen: Screen): string[] {
  const { columns: width, paint } = screen;
  const sorting = view.sorting[view.name];
  const table = <R>(columns: readonly TopColumn<R>[], rows: readonly R[]) =>
    tableLines(columns, rows, { width, paint, ...(sorting && { sorting }) });
  switch (view.name) {
    case 'workers':
      return table(WORKER_COLUMNS, model.workers);
    case 'ports':
      return table(PORT_COLUMNS, model.ports);
    case 'guests':
      return model.guests.length === 0
        ? [paint.dim('no guest was seen yet')]
        : table(GUEST_COLUMNS, model.guests);
    case 'handoffs':
      return matrix(model, screen);
    case 'order':
      return orderLines(model, sorting, screen);
    case 'events':
      return eventLines(model, screen);
    case 'overview':
      return overview(model, screen);
  }
}

/** A bit of everything: what does not fit is in the other views. */
function overview(model: TopModel, screen: Screen): string[] {
  const { columns: width, paint, rows } = screen;
  const all = { width, paint };
  const busiest = [...model.guests].sort((a, b) => b.to - a.to);
  const parts = [
    tableLines(WORKER_COLUMNS, model.workers, all),
    tableLines(PORT_COLUMNS, model.ports, all),
    ...(busiest.length > 0 ? [tableLines(GUEST_COLUMNS, busiest, all)] : []),
    ...(model.workers.length > 1 ? [matrix(model, screen)] : []),
  ];
  // A heading and a row is the least that says anything: on a low screen the last parts are left out.
  while (parts.length > 1 && rows - 4 < 4 * parts.length) parts.pop();
  // Each gets its share of the screen; what one does not need is the others'.
  let room = rows - 5 - parts.length;
  const order = [...parts].sort((a, b) => a.length - b.length);
  const given = new Map<string[], number>();
  order.forEach((part, i) => {
    const share = Math.max(2, Math.floor(room / (order.length - i)));
    given.set(part, Math.min(part.length, share));
    room -= given.get(part)!;
  });
  return parts.flatMap((part, i) => {
    const shown = given.get(part)!;
    const cut =
      part.length > shown
        ? [...part.slice(0, shown - 1), paint.dim(`  … ${part.length - shown + 1} more`)]
        : part;
    return i === 0 ? cut : ['', ...cut];
  });
}

function help({ columns, paint }: Screen): string[] {
  return KEYS.map(([keys, text]) => {
    const left = fitted(keys, 22);
    return `${paint.bold(left)} ${fitted(text, Math.max(0, Math.min(text.length, columns - 23)))}`;
  });
}

/** The last line: views and keys. */
function footer(view: View, { columns, paint }: Screen): string {
  const names = VIEWS.map(
    (name, i) => [`${i + 1} ${name}`, name === view.name ? paint.inverse : paint.dim] as const,
  );
  return line([...names, ['h help', paint.dim], ['q end', paint.dim]], columns);
}

/** The whole screen. */
export function renderTop(model: TopModel, view: View, screen: Screen): string[] {
  const { rows } = screen;
  const head = header(model, view, screen);
  const lines = view.help ? help(screen) : body(model, view, screen);
  const room = Math.max(1, rows - head.length - 2);
  // The heading of a table stays; so does the last row, however far somebody scrolls.
  const [title, ...rest] = lines;
  const skip = Math.max(0, Math.min(view.scroll, rest.length - (room - 1)));
  const shown =
    view.name === 'overview' || view.help
      ? lines.slice(0, room)
      : [title!, ...rest.slice(skip, skip + room - 1)];
  const out = [...head, '', ...shown];
  if (rows === Number.POSITIVE_INFINITY) return out;
  while (out.length < rows - 1) out.push('');
  return [...out.slice(0, rows - 1), footer(view, screen)];
}
