#!/usr/bin/env node
/**
 * The entry point of `rxsteer`: see program.ts.
 *
 * Promise: the exit code is that of the command; a closed pipe (`rxsteer … | head`) is no failure. Where a large
 * capture will be replayed, the reading thread starts before the command line's modules are loaded.
 */
import { statSync } from 'node:fs';
import { startReading } from '../replay/reading-thread.js';

/** Bytes of a capture from which `replay` reads it in a thread; see replay.ts. */
const THREAD_BYTES = 8 << 20;

const argv = process.argv.slice(2);

function isLarge(path: string): boolean {
  try {
    return statSync(path).size >= THREAD_BYTES;
  } catch {
    // What is no file is the command's to say.
    return false;
  }
}

if (
  argv[0] === 'replay' &&
  !argv.includes('--jobs') &&
  argv.some((word) => !word.startsWith('-') && isLarge(word))
) {
  startReading();
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const { runProgram } = await import('./program.js');
process.exitCode = await runProgram(argv);
