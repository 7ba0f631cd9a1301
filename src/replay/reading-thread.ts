/**
 * The thread that reads, started before anybody knows what to read.
 *
 * Promise: starting a thread takes a twentieth of a second, in which the command line can be parsed: `startReading`
 * begins that, `readingThread` hands out the thread that was started, or a new one. One that nobody takes keeps no
 * process alive. This module imports nothing of ours.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';

/** Bytes of captures, times policies, from which reading in a thread of its own pays. */
const THREAD_BYTES = 128 << 20;

/** Whether it does: starting a thread takes as long as reading half a million packets does. */
export function readingPays(bytes: number, policies: number): boolean {
  return bytes * policies >= THREAD_BYTES;
}

let started: Worker | null = null;

function start(): Worker {
  return new Worker(new URL('./ingest-thread.js', import.meta.url), { stdin: false, env: SHARE_ENV });
}

/** Starts a thread for the next `readingThread`. */
export function startReading(): void {
  if (started !== null) return;
  started = start();
  started.unref();
  // Whoever takes it listens; one that nobody took has nothing to say.
  started.on('error', () => {});
}

/** A thread that waits for its `IngestOrder`. */
export function readingThread(): Worker {
  const worker = started ?? start();
  started = null;
  worker.ref();
  return worker;
}
