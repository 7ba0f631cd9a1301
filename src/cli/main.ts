#!/usr/bin/env node
/**
 * The entry point of `rxsteer`: see program.ts.
 *
 * Promise: the exit code is that of the command; a closed pipe (`rxsteer … | head`) is no failure. Where a large
 * capture will be replayed, the reading thread starts before the command line's modules are loaded. The doctor, which runs
 * on hosts that are short of something, takes little memory.
 */
import { pathToFileURL } from 'node:url';
import { threadModule } from '../thread-modules.js';

// Not imported: an import of `fs` loads its promises too.
const { statSync } = process.getBuiltinModule('node:fs');
const argv = process.argv.slice(2);

/** Loads a module; one line where there are too few descriptors even for that. */
async function load<T>(module: () => Promise<T>): Promise<T> {
  try {
    return await module();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
    process.stderr.write('rxsteer: too many open files: raise the limit, e.g. ulimit -n 1024\n');
    process.exit(1);
  }
}

function fileBytes(word: string): number {
  try {
    return word.startsWith('-') ? 0 : statSync(word).size;
  } catch {
    // What is no file is the command's to say.
    return 0;
  }
}

if (argv[0] === 'replay' && !argv.includes('--jobs')) {
  const words = argv.slice(1);
  const policies = words.filter((word) => word.startsWith('--policy')).length;
  const bytes = words.reduce((sum, word) => sum + fileBytes(word), 0);
  const { readingPays, startReading } = await load(() => import('../replay/reading-thread.js'));
  if (readingPays(bytes, policies)) startReading();
}

const isLean = argv[0] === 'doctor';
if (isLean) await load(() => import('./lean.js'));

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// A log that nobody reads any more is no reason to stop.
process.stderr.on('error', () => {});

const program = new URL('./program.js', import.meta.url);
const { runProgram } = await load(
  (): Promise<typeof import('./program.js')> =>
    isLean ? import(pathToFileURL(threadModule(program)).href) : import('./program.js'),
);
process.exitCode = await runProgram(argv);
