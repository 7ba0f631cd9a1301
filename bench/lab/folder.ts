/**
 * Where the programs of the benchmarks are compiled from and to.
 *
 * Promise: an installed package is never written to: what is compiled for it lies in the user's cache.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A file or folder below bench/ of the checkout or package. */
export function benchSource(path: string): string {
  return join(ROOT, 'bench', path);
}

/** The folder for compiled programs, made if it is not there. */
export function programFolder(): string {
  const { XDG_CACHE_HOME: cache } = process.env;
  // Only a checkout has the sources of the program itself.
  const folder = existsSync(join(ROOT, 'src'))
    ? join(ROOT, 'build', 'bench')
    : join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'rxsteer', 'bench');
  mkdirSync(folder, { recursive: true });
  return folder;
}
