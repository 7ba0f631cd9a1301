/**
 * Makes any capture readable by position: what worker threads need, since they read synchronously and a restarted
 * one starts again.
 *
 * Promise: a regular uncompressed file is opened as it is; gzip, zstd and standard input are first copied,
 * decompressed, into a temporary file that has no name any more when this returns (nothing is left behind, however
 * the process ends). Nothing is written before the first bytes were seen to be a capture, and no more than the folder
 * for temporary files has room for. Never waits in the main thread: pipes, devices and sockets are refused, and each
 * descriptor is closed by who opened it, once no read of it is under way. Main thread, before the workers start; the
 * descriptor that is given serves all threads, and the caller closes it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  read,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../errors.js';
import { CaptureCore } from './core.js';
import { captureError } from './errors.js';
import { CaptureFile } from './file.js';
import { fileProblem } from './format.js';
import { ByteSource } from './inflate.js';
import { captureName, isPlain } from './plain.js';

/** An open capture; plain data, may be posted to worker threads of this process. */
export interface CaptureSpool {
  readonly fd: number;
  /** For messages. */
  readonly name: string;
  /** Damage found while decompressing, one line, or null. */
  readonly warning: string | null;
}

const READ_BYTES = 256 * 1024;
/** Room that is left to others in the folder for temporary files. */
const RESERVE_BYTES = 64 << 20;

const readAt = promisify(read);

function openNameless(): number {
  const directory = mkdtempSync(join(tmpdir(), 'rxsteer-'));
  try {
    return openSync(join(directory, 'capture'), 'wx+', 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Opens a regular file without waiting for anything. @throws UserError for what is none. */
function openRegular(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  const stats = fstatSync(fd);
  if (stats.isFile()) return fd;
  closeSync(fd);
  if (stats.isDirectory()) throw captureError(`${path}: is a directory`);
  throw captureError(
    `${path}: is ${stats.isFIFO() ? 'a pipe' : 'a device'}, not a regular file; - reads standard input`,
  );
}

/** The bytes of an open file. Each read is waited for: when the iteration has ended, however, none is under way. */
async function* bytesOf(fd: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const bytes = new Uint8Array(READ_BYTES);
    const { bytesRead } = await readAt(fd, bytes, 0, READ_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield bytes.subarray(0, bytesRead);
  }
}

/**
 * Opens the capture at `path` ('-' = standard input) and reads its first packets as a check. Throws UserError as
 * `openCapture` does. The caller closes the descriptor.
 */
export async function spoolCapture(path: string): Promise<CaptureSpool> {
  const name = captureName(path);
  let fd = -1;
  let warning: string | null = null;
  try {
    if (path === '-') ({ fd, warning } = await copyDecompressed(process.stdin, name));
    else {
      const original = openRegular(path);
      try {
        if (isPlain(original)) fd = original;
        else ({ fd, warning } = await copyDecompressed(bytesOf(original), name));
      } finally {
        if (fd !== original) closeSync(original);
      }
    }
    new CaptureFile(fd, name).next();
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    throw error instanceof UserError ? error : fileProblem(name, error);
  }
  return { fd, name, warning };
}

/** Bytes that may be written to the folder for temporary files. */
function room(): number {
  const { bavail, bsize } = statfsSync(tmpdir());
  return Math.max(0, bavail * bsize - RESERVE_BYTES);
}

/** Looks at the first bytes of a capture. @throws UserError where they begin none. */
function look(first: Uint8Array, name: string): void {
  const core = new CaptureCore(name);
  const count = Math.min(first.length, core.room());
  core.bytes.set(first.subarray(0, count), core.end);
  core.added(count);
  core.decode();
}

async function copyDecompressed(
  input: AsyncIterable<Uint8Array>,
  name: string,
): Promise<{ fd: number; warning: string | null }> {
  const source = new ByteSource(input);
  let fd = -1;
  let left = 0;
  let first = new Uint8Array(0);
  const write = (chunk: Uint8Array) => {
    if (fd < 0) {
      // Four bytes tell what it is, and a decompressor may give them one by one.
      const joined = new Uint8Array(first.length + chunk.length);
      joined.set(first);
      joined.set(chunk, first.length);
      first = joined;
      if (first.length < 4) return;
      look(first, name);
      left = room();
      fd = openNameless();
      chunk = first;
    }
    left -= chunk.length;
    if (left < 0) throw tooLarge(name);
    for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
  };
  try {
    for await (const chunk of source.chunks()) {
      try {
        write(chunk);
      } catch (error) {
        throw error instanceof UserError
          ? error
          : fileProblem(`${name}: temporary copy in ${tmpdir()}`, error);
      }
    }
    if (fd < 0) {
      const why = source.problem === '' ? '' : ` (${source.problem})`;
      throw captureError(
        `${name}: ${first.length === 0 ? 'is empty' : 'is too short to be a capture'}${why}`,
      );
    }
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    throw error;
  }
  const problem = source.problem === '' ? null : `${name}: ${source.problem}; the rest is not read`;
  return { fd, warning: problem };
}

function tooLarge(name: string): UserError {
  return captureError(
    `${name}: decompressed it does not fit into ${tmpdir()}, which must keep ${RESERVE_BYTES >> 20} MB free: decompress it to a file, or set TMPDIR`,
  );
}
