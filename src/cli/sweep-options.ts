/**
 * The flags and the file of `rxsteer sweep`, turned into a grid.
 *
 * Promise: every wrong value gives one UserError line that names the flag or the path in the file and what is
 * permitted. A flag replaces the same axis of the file.
 */
import { dirname, isAbsolute, join } from 'node:path';
import { UserError, unknownName } from '../errors.js';
import { Chooser, type PacketChoice, parseDirection } from '../replay/choice.js';
import type { SweepGrid } from '../sweep/grid.js';
import { readTextFile } from '../text-file.js';
import { z } from '../vendor/zod.js';
import { parseYaml } from '../yaml-text.js';
import { wholeNumber } from './numbers.js';

export interface SweepFlags {
  readonly grid?: string;
  readonly policy?: string[];
  readonly nics?: string;
  readonly queues?: string;
  readonly keys?: string;
  readonly seeds?: string;
  readonly vary?: string[];
  readonly direction?: string;
  readonly to?: string;
  readonly filter?: string;
  readonly workers?: string;
  readonly speed?: string;
  readonly gap?: string;
  readonly model?: string;
  readonly apps?: string;
  readonly jobs?: string;
  readonly out?: string;
  readonly parquet?: string;
  readonly html?: string;
  readonly top?: string;
  readonly json?: boolean;
  readonly scenario?: string[];
  readonly costs?: string;
  readonly duration?: string;
  readonly limit?: boolean;
  readonly shard?: string;
  readonly queue?: string;
  readonly cache?: string;
}

const VALUES_MAX = 10_000;

/** `1,4-8`. @throws UserError */
export function parseRanges(text: string, least: number, most: number, place: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (match === null || first < least || last > most || last < first || last - first >= VALUES_MAX) {
      throw new UserError(
        `${place}: "${part.trim()}": expected whole numbers from ${least} to ${most} such as 2,4-8`,
      );
    }
    for (let n = first; n <= last; n++) numbers.push(n);
  }
  return [...new Set(numbers)];
}

const QUEUES_MAX = 1024;
const SEED_MAX = 0xffffffff;

/** Numbers as a list, one number, or text with ranges. */
function numbers(least: number, most: number, what: string) {
  const expected = `${what}: whole numbers from ${least} to ${most}, as a list or such as 2,4-8`;
  const number = z.int({ error: expected }).min(least, { error: expected }).max(most, { error: expected });
  return z.union([z.array(number), number.transform((one) => [one]), z.string()], { error: expected });
}

const names = z.array(z.string(), { error: 'a list of names' });

const fileSchema = z.strictObject({
  captures: z.array(z.string(), { error: 'a list of files' }).optional(),
  policies: z.array(z.union([z.string(), z.looseObject({})]), { error: 'a list of policies' }).optional(),
  nics: names.optional(),
  queues: numbers(1, QUEUES_MAX, 'queue counts').optional(),
  keys: names.optional(),
  seeds: numbers(0, SEED_MAX, 'seeds').optional(),
  vary: z
    .record(
      z.string(),
      z.array(z.union([z.string(), z.number(), z.boolean()]), { error: 'a list of values' }),
    )
    .optional(),
  direction: z.string().optional(),
  to: names.optional(),
  filter: z.string().optional(),
  workers: z.int().min(1).max(QUEUES_MAX).optional(),
  speed: z.number().positive().optional(),
  gap: z.number().positive().optional(),
  model: z.string().optional(),
  apps: z.string().optional(),
});
type GridFile = z.infer<typeof fileSchema>;

function readGrid(path: string): GridFile {
  const value = parseYaml(readTextFile(path, `--grid ${path}`), `--grid ${path}`);
  const result = fileSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    if (issue.code === 'unrecognized_keys') {
      const error = unknownName('key', issue.keys[0]!, Object.keys(fileSchema.shape));
      throw new UserError(`--grid ${path}: ${error.message}`);
    }
    const place = issue.path.length > 0 ? issue.path.join('.') : 'top level';
    throw new UserError(`--grid ${path}: ${place}: expected ${issue.message.replace(/^.*expected /, '')}`);
  }
  // Captures are found from where the file is.
  const base = dirname(path);
  const captures = result.data.captures?.map((file) => (isAbsolute(file) ? file : join(base, file)));
  return { ...result.data, ...(captures === undefined ? {} : { captures }) };
}

function list(given: number[] | string | undefined, least: number, most: number, place: string): number[] {
  if (given === undefined) return [];
  return typeof given === 'string' ? parseRanges(given, least, most, place) : given;
}

/** Values as they stand in policy strings. */
function textsOf(vary: Readonly<Record<string, readonly unknown[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(vary).map(([key, values]) => [key, values.map(String)]));
}

/** `a,b`. */
export function words(text: string | undefined): string[] | undefined {
  return text?.split(',').map((word) => word.trim());
}

/** `hash=linux,toeplitz`. @throws UserError */
export function varied(given: readonly string[] | undefined): Record<string, string[]> | undefined {
  if (given === undefined) return undefined;
  const axes: Record<string, string[]> = {};
  for (const text of given) {
    const [key = '', list] = [text.slice(0, text.indexOf('=')).trim(), text.slice(text.indexOf('=') + 1)];
    if (key === '' || !text.includes('=')) {
      throw new UserError(`--vary: "${text}": expected KEY=VALUE,VALUE such as hash=linux,toeplitz`);
    }
    if (Object.hasOwn(axes, key)) throw new UserError(`--vary: ${key} is given twice`);
    axes[key] = list.split(',').map((value) => value.trim());
  }
  return axes;
}

/** Which packets count. @throws UserError */
function chosen(flags: SweepFlags, file: GridFile): PacketChoice {
  const direction = flags.direction ?? file.direction;
  const to = words(flags.to) ?? file.to;
  const filter = flags.filter ?? file.filter;
  const choice = {
    ...(direction === undefined ? {} : { direction: parseDirection(direction) }),
    ...(to === undefined ? {} : { to }),
    ...(filter === undefined ? {} : { filter }),
  };
  // Says what is wrong with it before anything is read.
  new Chooser(choice);
  return choice;
}

/** A number above 0. */
export function positive(text: string, most: number, flag: string): number {
  const value = /^\d{0,12}(\.\d{1,9})?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (value > 0 && value <= most) return value;
  throw new UserError(`${flag}: "${text}" is not a number above 0, up to ${most}`);
}

/** The grid of captures, flags and file. @throws UserError */
export function sweepGrid(captures: readonly string[], flags: SweepFlags): SweepGrid {
  const file = flags.grid === undefined ? {} : readGrid(flags.grid);
  const place = (axis: string) => (flags.grid === undefined ? `--${axis}` : `--grid ${flags.grid}: ${axis}`);
  if (flags.speed !== undefined && flags.gap !== undefined) {
    throw new UserError('--gap: replaces the clock of the capture, so --speed has nothing to change');
  }
  return {
    captures: captures.length > 0 ? captures : (file.captures ?? []),
    policies: flags.policy ?? file.policies ?? [],
    nics: words(flags.nics) ?? file.nics ?? [],
    queues: list(flags.queues ?? file.queues, 1, QUEUES_MAX, place('queues')),
    keys: words(flags.keys) ?? file.keys ?? [],
    seeds: list(flags.seeds ?? file.seeds, 0, SEED_MAX, place('seeds')),
    vary: varied(flags.vary) ?? textsOf(file.vary ?? {}),
    choice: chosen(flags, file),
    workers:
      flags.workers === undefined
        ? (file.workers ?? null)
        : wholeNumber(flags.workers, 1, QUEUES_MAX, '--workers'),
    speed: flags.speed === undefined ? (file.speed ?? 1) : positive(flags.speed, 1e9, '--speed'),
    gapUs: flags.gap === undefined ? (file.gap ?? 0) : positive(flags.gap, 1e9, '--gap'),
    model: flags.model ?? file.model ?? null,
    apps: flags.apps ?? file.apps ?? null,
  };
}
