/**
 * How the command line prints.
 *
 * Promise: with `--json` standard output gets exactly one JSON document (a line each for batches), nothing else;
 * everything for people that is not the result goes to standard error. Colour only on a terminal and never with
 * `NO_COLOR`. Names of files, ports and policies do nothing to a terminal, whatever characters they hold.
 */
import { createRequire } from 'node:module';
import { hasControl, printable, printableLines } from '../errors.js';

// Not imported: for the first CommonJS module that is, Node loads a parser of such modules.
const pc = createRequire(import.meta.url)('picocolors') as typeof import('picocolors');

/** Colour functions for standard output, identities where colour is off. */
export const colour = pc.createColors(
  process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb',
);

/** The result document of `--json`, indented. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** One JSON document on one line: batches, `--watch`, `sweep`. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Text for people on standard output. */
export function print(text: string): void {
  process.stdout.write(`${printableLines(text, colour.isColorSupported)}\n`);
}

/** Progress, logs and warnings: standard error. */
export function note(text: string): void {
  process.stderr.write(`${printableLines(text, colour.isColorSupported)}\n`);
}

/** One line of a log or a warning, with names in it that somebody else chose: standard error, at once. */
export function noteLine(text: string): void {
  process.stderr.write(`${printable(text, Number.POSITIVE_INFINITY)}\n`);
}

/** Text as part of a line of several columns: a name with a line break in it makes no line of its own. Colours stay. */
export function asCell(text: string): string {
  if (!hasControl(text)) return text;
  return printableLines(text, colour.isColorSupported).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** Width of text on a terminal, without colour sequences. */
export function width(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours.
  return text.replace(/\x1b\[[0-9;]*m/g, '').length;
}

/** A column of a table: its heading, and numbers to the right. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** An aligned table; the last column is not padded. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(asCell));
  const widths = columns.map(({ title }, c) =>
    shown.reduce((widest, row) => Math.max(widest, width(row[c] ?? '')), width(title)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, c) => {
        const cell = cells[c] ?? '';
        const padding = ' '.repeat(Math.max(0, widths[c]! - width(cell)));
        return align === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  const titles = columns.map(({ title }) => title);
  const head = line(titles);
  return [colour.bold(head), ...shown.map(line)].join('\n');
}

/** `key  value` lines, keys aligned. */
export function formatFields(fields: readonly (readonly [string, string])[]): string {
  const widest = Math.max(...fields.map(([key]) => key.length));
  return fields.map(([key, value]) => `${colour.dim(key.padEnd(widest))}  ${value}`).join('\n');
}

const decimal = ['', ' k', ' M', ' G', ' T'];

/** `1.23 M`: three digits and a decimal prefix. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return '-';
  let scaled = value;
  let prefix = 0;
  while (Math.abs(scaled) >= 999.5 && prefix < decimal.length - 1) {
    scaled /= 1000;
    prefix++;
  }
  if (prefix === 0) return Number.isInteger(value) ? String(value) : value.toPrecision(3);
  return `${scaled.toPrecision(3)}${decimal[prefix]}`;
}

/** `1.5 GB`: bytes, decimal. */
export function formatBytes(bytes: number): string {
  const text = formatCount(bytes);
  return /\d$/.test(text) ? `${text} B` : `${text}B`;
}

/** `12.5 ms`: a time given in nanoseconds. */
export function formatNanoseconds(ns: number): string {
  if (!Number.isFinite(ns)) return '-';
  const steps: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
  ];
  for (const [size, unit] of steps) if (Math.abs(ns) >= size) return `${(ns / size).toPrecision(3)} ${unit}`;
  return `${Number(ns.toPrecision(3))} ns`;
}

/** `37.2 %`. */
export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? `${(100 * ratio).toFixed(1)} %` : '-';
}

/**
 * A progress line on standard error for work that takes longer than a second; only on a terminal. `done` is called
 * at any rate: it clears the line.
 */
export class Progress {
  readonly #started = Date.now();
  #shown = 0;

  constructor(readonly what: string) {}

  /** `ratio` 0 … 1, or what there is to say. */
  update(ratio: number | string): void {
    if (process.stderr.isTTY !== true) return;
    const now = Date.now();
    if (now - this.#started < 1000 || now - this.#shown < 200) return;
    this.#shown = now;
    process.stderr.write(`\r\x1b[K${this.what} ${typeof ratio === 'string' ? ratio : formatRatio(ratio)}`);
  }

  done(): void {
    if (this.#shown > 0) process.stderr.write('\r\x1b[K');
    this.#shown = 0;
  }
}
