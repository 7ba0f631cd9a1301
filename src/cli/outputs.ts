/**
 * Files that a command writes beside what it prints.
 *
 * Promise: what cannot be written, or would overwrite a file that the command reads, is one line before anything is
 * read or written: not after an hour of reading, and not with the capture gone.
 */
import { accessSync, constants, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';
import { fileFault } from '../text-file.js';
import { note } from './output.js';

/** The file behind a name, through links; null where there is none. */
function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/**
 * Checks a file that is to be written; `-`, standard output, always can be.
 * @param flag the option, such as `--html`; empty where the file is an argument
 * @param inputs files that the command reads; `-` is standard input
 * @throws UserError
 */
export function checkOutput(flag: string, path: string, inputs: readonly string[]): void {
  if (path === '-') return;
  const place = `${flag} ${path}`.trim();
  const real = realPath(path);
  if (real === null) {
    const folder = dirname(path);
    if (realPath(folder) === null)
      throw new UserError(`${place}: there is no folder ${folder}`, { code: 'RXS_OUTPUT' });
    checkWritable(place, folder);
    return;
  }
  if (statSync(real).isDirectory()) throw new UserError(`${place}: is a directory`, { code: 'RXS_OUTPUT' });
  checkWritable(place, real);
  if (inputs.some((input) => input !== '-' && realPath(input) === real)) {
    throw new UserError(`${place}: is read by this command, and would be overwritten: name another file`, {
      code: 'RXS_OUTPUT',
    });
  }
}

/** A file that may be written, or a folder that files may be made in. @throws UserError */
export function checkWritable(place: string, path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new UserError(`${place}: ${fileFault(error)}`, { code: 'RXS_OUTPUT' });
  }
}

/** Writes the page that `--html` asks for, and says so. @throws UserError */
export function writePage(path: string, html: string): void {
  try {
    writeFileSync(path, html);
  } catch (error) {
    throw new UserError(`--html ${fileProblem(path, error, 'write').message}`);
  }
  note(`report: ${path}`);
}

/**
 * Writes a file as a whole or not at all: beside it first, then it takes its place. Only the user may read a new one: a
 * configuration holds hash keys. @throws UserError
 */
export function replaceFile(path: string, text: string): void {
  const target = realPath(path) ?? path;
  const beside = `${target}.${process.pid}.tmp`;
  try {
    const mode = statSync(target, { throwIfNoEntry: false })?.mode ?? 0o600;
    writeFileSync(beside, text, { mode: mode & 0o777, flag: 'wx' });
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new UserError(`${path}: ${fileFault(error)}`, { code: 'RXS_OUTPUT' });
  }
}
