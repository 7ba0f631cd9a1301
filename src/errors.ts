import { type ErrorCode, isErrorCode } from './error-codes.js';

/** Characters of a message at most: what is quoted in it may be a whole file. */
const MESSAGE_MAX = 1000;

/**
 * Control characters, which end a line or drive a terminal: those of C0 and C1, Unicode's two line separators, and what
 * turns the direction of text.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text from outside as one line that a terminal only shows: control characters become escapes (`\n`, `\x1b`), and the
 * middle of what is longer than `most` characters is left out.
 */
export function printable(text: string, most = MESSAGE_MAX): string {
  const half = (most >> 1) - 1;
  const short = text.length <= most ? text : `${text.slice(0, half)} … ${text.slice(-half)}`;
  return short.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    const hex = code.toString(16);
    return SHORT_ESCAPES[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex}`);
  });
}

/** Whether text holds characters that `printable` escapes. */
export function hasControl(text: string): boolean {
  return text.search(CONTROL) >= 0;
}

/** `printable` for text of several lines, in columns, and in colours where `isColoured`. */
export function printableLines(text: string, isColoured: boolean): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours.
  const kept = isColoured ? /(\n|\t|\u001b\[[0-9;]*m)/ : /(\n|\t)/;
  return text
    .split(kept)
    .map((part, i) => (i % 2 === 1 ? part : printable(part, Number.POSITIVE_INFINITY)))
    .join('');
}

/**
 * The error that means "the call or the configuration is wrong" (exit code 2 of the command line).
 *
 * Promise: the message is one line, whatever is quoted in it, that says what is wrong, where (flag, file, path in the
 * file) and what would be right. Anything else that is thrown is a failure while running (exit code 1).
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  #code: ErrorCode;

  /** @param options its `code` is one of `ERROR_CODES`; default `RXS_USAGE` */
  constructor(message: string, options?: ErrorOptions & { readonly code?: ErrorCode }) {
    super(printable(message), options);
    this.#code = options?.code ?? 'RXS_USAGE';
  }

  /** Which fault it is, for programs. */
  get code(): ErrorCode {
    return this.#code;
  }

  /** Gives a code to an error that has only the general one. */
  sort(code: ErrorCode): this {
    if (this.#code === 'RXS_USAGE') this.#code = code;
    return this;
  }
}

/** Calls; what a UserError of it says nothing more of is a fault of this kind. */
export function inArea<T>(code: ErrorCode, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof UserError ? error.sort(code) : error;
  }
}

/** The same of something that takes time. */
export async function inAreaOf<T>(code: ErrorCode, pending: Promise<T>): Promise<T> {
  try {
    return await pending;
  } catch (error) {
    throw error instanceof UserError ? error.sort(code) : error;
  }
}

const DESCRIPTOR_FAULTS = ['EMFILE', 'ENFILE'];

/** The code of anything that was thrown. */
export function errorCode(error: unknown): ErrorCode {
  const code = (error as { code?: unknown } | null)?.code;
  if (isErrorCode(code)) return code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return 'RXS_FAILED';
  return DESCRIPTOR_FAULTS.includes(code) ? 'RXS_DESCRIPTORS' : 'RXS_SYSTEM';
}

/**
 * An interrupt has ended what had not begun yet: nothing was done, and nothing has failed (exit code 130, as that of a
 * program that the interrupt ends).
 */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly code = 'RXS_INTERRUPTED' satisfies ErrorCode;
}

/**
 * The call asks for what the NIC does not have (more queues than RSS reaches, another table size, a key of another
 * length). A grid over several NICs leaves such a combination out; everywhere else it is as wrong as any other.
 */
export class NicLimit extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, { ...options, code: 'RXS_NIC_LIMIT' });
  }
}

/** The same error with the place before its message. */
export function atPlaceOf(place: string, error: Error): UserError {
  const text = `${place}: ${error.message}`;
  return error instanceof NicLimit ? new NicLimit(text) : new UserError(text, { code: codeWithin(error) });
}

/** The code of an error that is told again; what was no UserError becomes a wrong call. */
function codeWithin(error: Error): ErrorCode {
  return error instanceof UserError ? error.code : 'RXS_USAGE';
}

/** Levenshtein distance, for suggestions only. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/**
 * The known names nearest to a mistyped one, best first, at most `most`; those that share a prefix or differ by
 * few letters. Empty when nothing is near.
 */
export function nearestNames(name: string, known: readonly string[], most = 3): string[] {
  const wanted = name.toLowerCase();
  return known
    .map((candidate) => {
      const lower = candidate.toLowerCase();
      const contains = wanted.length > 1 && (lower.includes(wanted) || wanted.includes(lower));
      return { candidate, score: distance(wanted, lower) - (contains ? 3 : 0) };
    })
    .filter(({ candidate, score }) => score <= Math.max(2, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.score - b.score)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** `unknown policy "rsss": did you mean rss? known: …` as a UserError. */
export function unknownName(what: string, name: string, known: readonly string[]): UserError {
  const near = nearestNames(name, known);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}? ` : '';
  const text = `unknown ${what} "${name}": ${hint}known: ${known.join(', ')}`;
  return new UserError(text, { code: 'RXS_UNKNOWN_NAME' });
}
