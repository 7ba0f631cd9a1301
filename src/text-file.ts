/**
 * Files that are read whole: policies, configurations, grids, what ethtool printed.
 *
 * Promise: opened without waiting, looked at before anything is read, and at most 4 MiB of it is read. A regular file
 * may be read anywhere. A pipe (`<(ethtool -x eth0)`, standard input) only where the caller may wait for its writer:
 * the command line before anything runs, where an interrupt ends the program; never the main thread of a forwarder.
 * Directories, devices, and sockets are refused. Whatever is wrong is a UserError of one line.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UserError } from './errors.js';

/** Largest file, so that a wrong name (a capture, a device) is noticed and not read for ever. */
export const TEXT_BYTES_MAX = 4 << 20;

/** Which files may be read: `regular` only, or pipes too. */
export type FilesAllowed = 'regular' | 'pipes';

const CHUNK = 64 << 10;
/** Between two looks at a pipe whose writer has nothing yet. */
const PIPE_WAIT_MS = 5;

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'part of the path is not a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files (see ulimit -n)',
  ENXIO: 'a socket, not a file',
  EIO: 'input/output error',
};

/**
 * Makes a folder and those above it; one that is there is left as it is. Level by level: `mkdirSync` with `recursive`
 * never returns where a file system refuses new entries with ENOENT (/proc).
 * @throws NodeJS.ErrnoException of mkdir(2)
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  let at = resolve(path);
  for (; !existsSync(at); at = dirname(at)) missing.push(at);
  for (const folder of missing.reverse()) mkdirSync(folder);
  // Says what is wrong with a path that is no folder.
  if (missing.length === 0) mkdirSync(at, { recursive: true });
}

/** `ENOENT: no such file or directory`, without the call and the path that Node adds. */
export function fileFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const line = (message ?? String(error)).split('\n')[0]!;
  if (code === undefined) return line;
  return Object.hasOwn(WORDS, code) ? `${code}: ${WORDS[code]}` : line.replace(/, \w+( '.*')?$/, '');
}

/** What an open file is, where it is nothing that can be read whole; null for a regular one. */
function oddity(stats: Stats): string | null {
  if (stats.isFile()) return null;
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

/**
 * The text of a file, or of standard input (0).
 * @param place what errors begin with
 * @throws UserError
 */
export function readTextFile(path: string | 0, place: string, allowed: FilesAllowed = 'pipes'): string {
  if (path === 0 && allowed === 'regular') {
    throw new UserError(`${place}: a running forwarder reads no standard input, give a file`, {
      code: 'RXS_FILE',
    });
  }
  let fd = 0;
  try {
    if (path !== 0) fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = fstatSync(fd);
    const odd = oddity(stats);
    const isStream = path === 0 || stats.isFIFO();
    if (odd !== null && !(isStream && allowed === 'pipes' && odd !== 'a directory')) {
      throw new UserError(`${place}: ${odd}, not a regular file`, { code: 'RXS_FILE' });
    }
    if (stats.isFile() && stats.size > TEXT_BYTES_MAX) throw tooLarge(place);
    const bytes = readAll(fd, place);
    if (bytes.length === 0 && stats.isFIFO())
      throw new UserError(`${place}: a pipe that nobody writes to`, { code: 'RXS_FILE' });
    return bytes.toString('utf8');
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`${place}: ${fileFault(error)}`, { code: 'RXS_FILE' });
  } finally {
    if (fd > 0) closeSync(fd);
  }
}

/** Refuses what is no regular file of a bearable size, for those who have another reader: modules, for example. */
export function checkTextFile(path: string, place: string): void {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = fstatSync(fd);
    const odd = oddity(stats);
    if (odd !== null) throw new UserError(`${place}: ${odd}, not a regular file`, { code: 'RXS_FILE' });
    if (stats.size > TEXT_BYTES_MAX) throw tooLarge(place);
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`${place}: ${fileFault(error)}`, { code: 'RXS_FILE' });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function tooLarge(place: string): UserError {
  return new UserError(`${place}: larger than ${TEXT_BYTES_MAX} bytes`, { code: 'RXS_FILE' });
}

/** Reads up to the limit. A pipe without bytes is looked at again until its writer has written or gone. */
function readAll(fd: number, place: string): Buffer {
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    const part = Buffer.allocUnsafe(CHUNK);
    let count: number;
    try {
      count = readSync(fd, part, 0, CHUNK, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_WAIT_MS);
      continue;
    }
    if (count === 0) break;
    size += count;
    if (size > TEXT_BYTES_MAX) throw tooLarge(place);
    parts.push(part.subarray(0, count));
  }
  return Buffer.concat(parts, size);
}
