#!/usr/bin/env node
/**
 * The entry point of `rxsteer`: see program.ts.
 *
 * Promise: the exit code is that of the command; a closed pipe (`rxsteer … | head`) is no failure.
 */
import { runProgram } from './program.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await runProgram(process.argv.slice(2));
