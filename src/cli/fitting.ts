/**
 * Tables and sentences that fit the width there is: a terminal's, or what `COLUMNS` says.
 *
 * Promise: no line of a table is longer than the width where that is possible at all: first titles are set over
 * several lines, then rows and columns change places, with the first column's texts listed above where they are long.
 * Nothing is cut off. Without a terminal and without `COLUMNS` tables have 120 columns and sentences are not broken.
 */
import { type Column, colour, formatTable, width } from './output.js';

/** Columns of tables where nobody says. */
const TABLE_COLUMNS = 120;
/** Below this nothing would fit. */
const COLUMNS_LEAST = 40;
/** Longest text of a first column that becomes the title of a column. */
const HEADING_MAX = 14;

/** Columns of a line, or null where nobody says. */
export function lineColumns(): number | null {
  const given = process.stdout.isTTY === true ? process.stdout.columns : Number(process.env.COLUMNS);
  return given >= COLUMNS_LEAST ? given : null;
}

const widest = (text: string) => Math.max(...text.split('\n').map(width));

/** A sentence over several lines; the lines after the first are indented. Words are not broken. */
export function wrap(text: string, columns: number | null, indent = ''): string {
  if (columns === null || width(text) <= columns) return text;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? `${lines.length > 0 ? indent : ''}${word}` : `${line} ${word}`;
    if (line !== '' && width(next) > columns) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = next;
  }
  return [...lines, line].join('\n');
}

/** The parts of a title, each on a line: `kernel drops`, `hand-offs/pkt`. */
const partsOf = (title: string) =>
  title
    .replace('/', ' /')
    .split(' ')
    .filter((part) => part !== '');

/** The table with every title over as many lines as it has parts. */
function stacked(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const parts = columns.map(({ title }) => partsOf(title));
  const high = Math.max(...parts.map(({ length }) => length));
  const line = (at: number) => parts.map((own) => own[at - (high - own.length)] ?? '');
  const heads = Array.from({ length: high }, (_, at) => line(at));
  const last = heads.pop()!;
  const table = formatTable(
    columns.map(({ align }, c) => ({ title: last[c]!, ...(align === undefined ? {} : { align }) })),
    [...heads, ...rows],
  ).split('\n');
  // The titles' first lines were set as rows: they go above the last.
  const [bottom, ...rest] = table;
  return [...rest.slice(0, high - 1).map((text) => colour.bold(text)), bottom, ...rest.slice(high - 1)].join(
    '\n',
  );
}

/** Rows as columns, in blocks that fit. */
function turned(columns: readonly Column[], rows: readonly (readonly string[])[], most: number): string {
  const isLong = rows.some(([name]) => width(name ?? '') > HEADING_MAX);
  const names = rows.map(([name], i) => (isLong ? String(i + 1) : (name ?? '')));
  // Between the keys of a policy, too.
  const broken = (name: string) => wrap(name.replaceAll(',', ', '), most - 4, '  ').replaceAll(', ', ',');
  const list = rows.map(
    ([name], i) => `${String(i + 1).padStart(2)}  ${broken(name ?? '').replaceAll('\n', '\n    ')}`,
  );
  const titles = columns.slice(1).map(({ title }) => title);
  const side = Math.max(...titles.map(width), width(columns[0]!.title));
  const blocks: string[] = isLong ? [`${colour.bold(columns[0]!.title)}\n${list.join('\n')}`] : [];
  for (let from = 0; from < rows.length; ) {
    let used = side;
    let to = from;
    while (to < rows.length) {
      const own = Math.max(width(names[to]!), ...rows[to]!.slice(1).map(width));
      if (to > from && used + 2 + own > most) break;
      used += 2 + own;
      to++;
    }
    blocks.push(
      formatTable(
        [
          { title: isLong ? '' : columns[0]!.title },
          ...names.slice(from, to).map((title) => ({ title, align: 'right' as const })),
        ],
        titles.map((title, c) => [title, ...rows.slice(from, to).map((row) => row[c + 1] ?? '')]),
      ),
    );
    from = to;
  }
  return blocks.join('\n\n');
}

/** An aligned table that fits. The first column names the rows. */
export function formatFitting(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  most = lineColumns() ?? TABLE_COLUMNS,
): string {
  const plain = formatTable(columns, rows);
  if (rows.length === 0 || widest(plain) <= most) return plain;
  const high = stacked(columns, rows);
  if (widest(high) <= most) return high;
  return turned(columns, rows, most);
}

/**
 * A table of many rows with long names: where it does not fit, names are broken where it says, onto lines below; where
 * that is not enough, each name stands on a line above its row.
 */
export function formatBreaking(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  breakAfter: string,
  most = lineColumns() ?? TABLE_COLUMNS,
): string {
  const plain = formatTable(columns, rows);
  if (widest(plain) <= most) return plain;
  const broken = formatTable(
    columns,
    rows.flatMap(([first = '', ...rest]) => {
      const [head, ...tail] = first.split(breakAfter);
      return tail.length === 0
        ? [[first, ...rest]]
        : [[`${head}${breakAfter.trimEnd()}`, ...rest], [`  ${tail.join(breakAfter)}`]];
    }),
  );
  if (widest(broken) <= most) return broken;
  const [first, ...others] = columns;
  const table = formatTable(
    [{ title: first!.title }, ...others],
    rows.map(([, ...rest]) => ['', ...rest]),
  ).split('\n');
  return [table[0], ...rows.flatMap(([name = ''], i) => [wrap(name, most, '  '), table[i + 1]])].join('\n');
}
