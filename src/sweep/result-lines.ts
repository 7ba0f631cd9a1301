/**
 * Result files as lines, and what kinds of results there are.
 *
 * Promise: each complete line is checked before it is believed; what a killed sweep left of its last line is not given.
 * Files are only read here.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';
import type { z } from '../vendor/zod.js';

type Keyed = { readonly key: string };

/** How results of a kind look. */
export interface ResultKind<L extends Keyed> {
  readonly schema: z.ZodType<L>;
  /** Fields that say how the cell was called, not what came out: two calls may name one cell differently. */
  readonly names: readonly string[];
}

const READ_BYTES = 1 << 16;
/** Longest line that is believed: 1024 workers and many warnings. */
const LINE_MAX = 1 << 20;

function foreign(path: string, number: number): UserError {
  return new UserError(`${path}: line ${number} is no result of a sweep: give another file, or remove it`);
}

/** A line as JSON. @throws UserError */
function parsed(path: string, text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw foreign(path, number);
  }
}

/**
 * Gives every complete line of an open file.
 * @param each gets the text and what it says
 * @returns where the last complete line ends, and bytes of a torn one behind it
 * @throws UserError where it is no result file
 */
export function readResultLines<L extends Keyed>(
  fd: number,
  path: string,
  schema: (value: unknown) => z.ZodType<L> | null,
  each: (text: string, line: L) => void,
): { complete: number; torn: number } {
  const buffer = new Uint8Array(READ_BYTES);
  const decoder = new TextDecoder();
  let rest = '';
  let number = 0;
  let at = 0;
  let complete = 0;
  for (;;) {
    const count = readSync(fd, buffer, 0, READ_BYTES, at);
    if (count === 0) break;
    const chunk = buffer.subarray(0, count);
    const last = chunk.lastIndexOf(0x0a);
    if (last >= 0) complete = at + last + 1;
    at += count;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const text of lines) {
      const value = parsed(path, text, ++number);
      const result = schema(value)?.safeParse(value);
      if (result?.success !== true) throw foreign(path, number);
      each(text, result.data);
    }
    if (rest.length > LINE_MAX) throw foreign(path, number + 1);
  }
  const torn = at - complete;
  // Only what this program could have begun is torn; another file may just lack its last line feed.
  if (torn > 0 && !'{"key":"'.startsWith(rest.slice(0, 8))) throw foreign(path, number + 1);
  return { complete, torn };
}

/** Opens a file for `readResultLines` and closes it. @throws UserError */
export function withFile<T>(path: string, use: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileProblem(path, error);
  }
  try {
    if (!fstatSync(fd).isFile()) throw new UserError(`${path}: is not a regular file`);
    return use(fd);
  } catch (error) {
    throw error instanceof UserError ? error : fileProblem(path, error);
  } finally {
    closeSync(fd);
  }
}
