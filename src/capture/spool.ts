/**
 * Makes any capture readable by position: what worker threads need, since they read synchronously and a restarted
 * one starts again.
 *
 * Promise: a regular uncompressed file is opened as it is; gzip, zstd, pipes and standard input are first copied,
 * decompressed, into a temporary file that has no name any more when this returns (nothing is left behind, however
 * the process ends). Waiting for a pipe keeps the thread free. Main thread, before the workers start; the descriptor serves all threads.
 */
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { UserError } from '../errors.js';
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

function openNameless(): number {
  const directory = mkdtempSync(join(tmpdir(), 'rxsteer-'));
  try {
    return openSync(join(directory, 'capture'), 'wx+', 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Opens the capture at `path` ('-' = standard input) and reads its first packets as a check. Throws UserError as
 * `openCapture` does, and the reason of `signal` once that is aborted. The caller closes the descriptor.
 */
export async function spoolCapture(path: string, signal?: AbortSignal): Promise<CaptureSpool> {
  const name = captureName(path);
  let fd = -1;
  let warning: string | null = null;
  try {
    if (path === '-') ({ fd, warning } = await copyDecompressed(process.stdin, name, signal));
    else {
      const original = openReadable(path);
      if (fstatSync(original).isFIFO()) {
        // The stream closes the descriptor. It waits for a writer without a thread that could not be interrupted.
        const input = new Socket({ fd: original, readable: true, writable: false });
        ({ fd, warning } = await copyDecompressed(input, name, signal));
      } else {
        try {
          if (isPlain(original)) fd = original;
          else {
            const input = createReadStream(path, { fd: original, autoClose: false });
            ({ fd, warning } = await copyDecompressed(input, name, signal));
          }
        } finally {
          if (fd !== original) closeSync(original);
        }
      }
    }
    new CaptureFile(fd, name).next();
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    throw error instanceof UserError ? error : fileProblem(name, error);
  }
  return { fd, name, warning };
}

/** Opens a file or a pipe, never waiting for a pipe's writer. @throws UserError for what is neither. */
function openReadable(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const info = fstatSync(fd);
  if (info.isFile() || info.isFIFO()) return fd;
  closeSync(fd);
  throw new UserError(
    `${captureName(path)}: ${info.isDirectory() ? 'is a directory' : 'is no file and no pipe'}`,
  );
}

async function copyDecompressed(
  input: Readable,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ fd: number; warning: string | null }> {
  signal?.throwIfAborted();
  // A stream that waits for its input ends with this.
  const stop = () => input.destroy(signal!.reason);
  signal?.addEventListener('abort', stop, { once: true });
  const source = new ByteSource(input);
  const fd = openNameless();
  try {
    for await (const chunk of source.chunks()) {
      signal?.throwIfAborted();
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    }
  } catch (error) {
    closeSync(fd);
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  // A damaged end is no abort.
  if (signal?.aborted === true) {
    closeSync(fd);
    throw signal.reason;
  }
  return { fd, warning: source.problem === '' ? null : `${name}: ${source.problem}; the rest is not read` };
}
