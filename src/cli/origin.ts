/**
 * Where a report comes from: the command as it was typed, version and date.
 *
 * Promise: words that a shell would take apart are quoted, so that the command can be pasted.
 */
import type { ReportOrigin } from '../report/page.js';
import { version } from './version.js';

const PLAIN = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell takes it. */
export function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function origin(argv: readonly string[] = process.argv.slice(2)): ReportOrigin {
  return { command: ['rxsteer', ...argv].map(quoted).join(' '), version: version(), date: new Date() };
}
