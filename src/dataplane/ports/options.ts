/**
 * The options of ports as data: what each may say, what it means, and how it is read.
 *
 * Promise: one table for the parser, the usage text, the JSON Schema and the documents. `readOptions` returns a value of
 * the declared type for every option of the table, or throws a UserError of one line that names port, option and what is
 * permitted.
 */
import { UserError, unknownName } from '../../errors.js';

interface Described {
  /** What it does, in one line; the default is added where it is shown. */
  readonly does: string;
  /** Left out of `--help`, which has the usual ones; the documents have all. */
  readonly rare?: boolean;
}

/** A whole number. */
export interface NumberOption<F extends number | null = number | null> extends Described {
  readonly type: 'number';
  readonly least: number;
  readonly most: number;
  /** Its value where it is not given; null where its absence means something of its own. */
  readonly fallback: F;
  /** Words that stand for a number, such as `imix`. */
  readonly words?: Readonly<Record<string, number>>;
  /** What the number counts, for usage texts; default `N`. */
  readonly unit?: string;
}

/** One of several words. */
export interface ChoiceOption<T extends string = string> extends Described {
  readonly type: 'choice';
  readonly values: readonly T[];
  readonly fallback: T;
}

/** `on` or `off`. */
export interface SwitchOption extends Described {
  readonly type: 'switch';
  readonly fallback: boolean;
}

export type PortOption = NumberOption | ChoiceOption | SwitchOption;
/** Options by name, in the order in which they are shown. */
export type PortOptions = Readonly<Record<string, PortOption>>;

/** The value that an option is read to. */
export type ValueOf<O extends PortOption> =
  O extends ChoiceOption<infer T>
    ? T
    : O extends SwitchOption
      ? boolean
      : O extends NumberOption<infer F>
        ? number | F
        : never;
export type OptionValues<O extends PortOptions> = { readonly [K in keyof O]: ValueOf<O[K]> };

/** A number with a default. */
export function number(given: Omit<NumberOption<number>, 'type'>): NumberOption<number> {
  return { type: 'number', ...given };
}

/** A number that may be absent: null. */
export function optionalNumber(given: Omit<NumberOption, 'type' | 'fallback'>): NumberOption<null> {
  return { type: 'number', fallback: null, ...given };
}

/** @param fallback one of the values */
export function choice<const V extends readonly string[]>(
  values: V,
  fallback: V[number],
  does: string,
  rare = false,
): ChoiceOption<V[number]> {
  return { type: 'choice', values, fallback, does, rare };
}

export function onOff(fallback: boolean, does: string, rare = false): SwitchOption {
  return { type: 'switch', fallback, does, rare };
}

/** What may be written behind `name=`, as usage texts show it: `N`, `N|imix`, `hash|cpu`, `on|off`. */
export function valueText(option: PortOption): string {
  if (option.type === 'switch') return 'on|off';
  if (option.type === 'choice') return option.values.join('|');
  return [option.unit ?? 'N', ...Object.keys(option.words ?? {})].join('|');
}

/** How the value of an option is written where it is the default; null where its absence is the default. */
export function defaultText(option: PortOption): string | null {
  if (option.type === 'switch') return option.fallback ? 'on' : 'off';
  if (option.type === 'choice') return option.fallback;
  const { fallback, least, most, words = {} } = option;
  const word = Object.keys(words).find((name) => words[name] === fallback);
  if (word !== undefined) return word;
  // What cannot be written stands for the absence.
  return fallback === null || fallback < least || fallback > most ? null : `${fallback}`;
}

/** The options of one port as they were written. Whatever is read is taken out: `finish` finds what nobody asked for. */
export class GivenOptions {
  private readonly known: string[] = [];

  private constructor(
    /** The port, for messages. */
    readonly where: string,
    private readonly given: Map<string, string>,
  ) {}

  /** @param text `option=value,option=value`; may be empty. @throws UserError */
  static parse(where: string, text: string): GivenOptions {
    const given = new Map<string, string>();
    for (const part of text === '' ? [] : text.split(',')) {
      const at = part.indexOf('=');
      if (at <= 0) throw new UserError(`${where}: option "${part}": expected option=value`);
      const key = part.slice(0, at);
      if (given.has(key)) throw new UserError(`${where}: option "${key}" is given twice`);
      given.set(key, part.slice(at + 1));
    }
    return new GivenOptions(where, given);
  }

  /** The text of an option. `isKnown`: it is among those that are named where another one is not known. */
  text(key: string, isKnown = true): string | undefined {
    if (isKnown) this.known.push(key);
    const value = this.given.get(key);
    this.given.delete(key);
    return value;
  }

  /** Its value, or the default. @param isKnown as of `text` */
  read<O extends PortOption>(key: string, option: O, isKnown = true): ValueOf<O> {
    const text = this.text(key, isKnown);
    const value = text === undefined ? option.fallback : meaning(option, text);
    if (value !== undefined) return value as ValueOf<O>;
    throw new UserError(`${this.where}: ${key}=${text}: expected ${expected(option)}`);
  }

  readAll<O extends PortOptions>(options: O): OptionValues<O> {
    return Object.fromEntries(
      Object.entries(options).map(([key, option]) => [key, this.read(key, option)]),
    ) as OptionValues<O>;
  }

  /** Names what is known beside what was read. */
  knows(...names: readonly string[]): void {
    this.known.push(...names);
  }

  /** @throws UserError where an option is left that nobody has read */
  finish(): void {
    const [left] = this.given.keys();
    if (left === undefined) return;
    throw unknownName(`option of ${this.where.replace('--', '')}`, left, this.known);
  }
}

/** The value that a text means; undefined where it means none. */
function meaning(option: PortOption, text: string): string | number | boolean | undefined {
  if (option.type === 'switch') return { on: true, off: false }[text];
  if (option.type === 'choice') return option.values.find((value) => value === text);
  const { words = {}, least, most } = option;
  if (Object.hasOwn(words, text)) return words[text];
  const number = Number(text);
  return /^\d+$/.test(text) && number >= least && number <= most ? number : undefined;
}

function expected(option: PortOption): string {
  if (option.type === 'switch') return `one of ${option.fallback ? 'on, off' : 'off, on'}`;
  if (option.type === 'choice') return `one of ${option.values.join(', ')}`;
  const words = Object.keys(option.words ?? {}).map((word) => `${word} or `);
  return `${words.join('')}a whole number from ${option.least} to ${option.most}`;
}
