/**
 * Opens captures on the main thread: one that is read is open (and decompressed) afterwards, one that is written is
 * there.
 *
 * Promise: see `PortOpener`.
 */
import { accessSync, closeSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type CaptureSpool, spoolCapture } from '../../../capture/spool.js';
import { createCaptureFile } from '../../../capture/writer.js';
import { atPlaceOf, UserError } from '../../../errors.js';
import { fileFault } from '../../../text-file.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import { makeState } from '../state.js';
import type { CaptureData } from './data.js';
import type { CapturePortSpec } from './kind.js';

/** @throws UserError for what a running forwarder must not open: reading or opening it may wait for ever. */
function requireFile({ name, path, mode }: CapturePortSpec): void {
  const what = path === '-' ? 'standard input' : 'no regular file';
  const there = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path !== '-' && (there === undefined || there.isFile())) return;
  throw new UserError(
    `--port ${name}: ${path} is ${what}: a running forwarder ${mode === 'write' ? 'writes' : 'reads'} regular files only`,
  );
}

/** What is waited for longer than the caller wants (standard input, a large archive) is closed when it comes. */
async function interruptible(path: string, signal?: AbortSignal): Promise<CaptureSpool> {
  const spooling = spoolCapture(path);
  if (signal === undefined) return spooling;
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([spooling, stopped]);
  } catch (error) {
    // Else it would keep the process waiting.
    if (path === '-' && signal.aborted) process.stdin.destroy();
    spooling.then(
      ({ fd }) => closeSync(fd),
      () => {},
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function openWriter({ path }: CapturePortSpec): OpenPort<CaptureData> {
  const there = statSync(path, { throwIfNoEntry: false });
  // Opening it would wait for a reader, and each worker opens it.
  if (there?.isFIFO() === true) throw new UserError(`${path} is a pipe: captures are written to files`);
  createCaptureFile(path);
  const data = { spool: null, state: makeState(0), path };
  return { parts: { rxQueues: 0, txQueues: 1, finite: false, data }, close: () => {} };
}

async function openReader(
  { path }: CapturePortSpec,
  { warn, signal }: OpenContext,
): Promise<OpenPort<CaptureData>> {
  const spool = await interruptible(path, signal);
  if (spool.warning !== null) warn(spool.warning);
  const data = { spool, state: makeState(1), path };
  return { parts: { rxQueues: 1, txQueues: 0, finite: true, data }, close: () => closeSync(spool.fd) };
}

async function open(spec: CapturePortSpec, context: OpenContext): Promise<OpenPort<CaptureData>> {
  if (context.regularFilesOnly === true) requireFile(spec);
  try {
    return spec.mode === 'write' ? openWriter(spec) : await openReader(spec, context);
  } catch (error) {
    throw error instanceof UserError ? atPlaceOf(`--port ${spec.name}`, error) : error;
  }
}

function check({ name, path, mode }: CapturePortSpec): void {
  if (path === '-') return;
  const isRead = mode === 'read';
  const place = `--port ${name}: ${path}`;
  try {
    const stats = statSync(path, { throwIfNoEntry: isRead });
    if (stats?.isDirectory() === true) {
      throw new UserError(`${place}: is a directory`, { code: isRead ? 'RXS_FILE' : 'RXS_OUTPUT' });
    }
    if (isRead) accessSync(path, constants.R_OK);
    else accessSync(stats === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${place}: ${fileFault(error)}`, { code: isRead ? 'RXS_FILE' : 'RXS_OUTPUT' });
  }
}

export const opener: PortOpener<CapturePortSpec> = { open, check };
