/**
 * Ranges of worker and queue numbers, and lists of them, for code that must not wait for the schema library.
 *
 * Promise: no imports beside the errors. Pure.
 */
import { UserError } from '../errors.js';

/** Largest CPU and worker id: they travel in 15 bits. */
export const WORKER_MAX = 1023;
/** Most queues of a NIC. */
export const QUEUES_MAX = 4096;

/** Numbers of `0-1+3`: `+` separates, `-` makes ranges; in the order given. @throws UserError */
export function parseNumberList(text: string, what: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split('+')) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (match === null || last < first || last > 65535) {
      throw new UserError(`${what}: "${text}" is not a list such as 0-1+3`);
    }
    for (let n = first; n <= last; n++) numbers.push(n);
  }
  return numbers;
}
