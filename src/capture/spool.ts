/**
 * Makes any capture readable by position: what worker threads need, since they read synchronously and a restarted
 * one starts again.
 *
 * Promise: a regular uncompressed file is opened as it is; gzip, zstd, pipes and standard input are first copied,
 * decompressed, into a temporary file that has no name any more when this returns (nothing is left behind, however
 * the process ends). Main thread, before the workers start; the descriptor serves all threads.
 */
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
 * `openCapture` does. The caller closes the descriptor.
 */
export async function spoolCapture(path: string): Promise<CaptureSpool> {
  const name = captureName(path);
  let fd = -1;
  let warning: string | null = null;
  try {
    if (path === '-') ({ fd, warning } = await copyDecompressed(process.stdin, name));
    else {
      const original = openSync(path, 'r');
      try {
        if (isPlain(original)) fd = original;
        else {
          const input = createReadStream(path, { fd: original, autoClose: false });
          ({ fd, warning } = await copyDecompressed(input, name));
        }
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

async function copyDecompressed(
  input: AsyncIterable<Uint8Array>,
  name: string,
): Promise<{ fd: number; warning: string | null }> {
  const source = new ByteSource(input);
  const fd = openNameless();
  try {
    for await (const chunk of source.chunks()) {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, warning: source.problem === '' ? null : `${name}: ${source.problem}; the rest is not read` };
}
