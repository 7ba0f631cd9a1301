/**
 * Runs a scenario of a fixture script in a fresh network namespace that ends with it (whatever happens), and
 * returns the JSON it printed. Fixtures lie in `fixtures/` beside this file, or beside the one given.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import { SLOW } from '../support/slow.js';

const run = promisify(execFile);

/** Why these tests can't run here; empty when they can. */
export const problem =
  loadNative() === null ? nativeProblem() : process.getuid?.() !== 0 ? 'network namespaces need root' : '';

/** Title of a suite, with the reason where it is skipped. */
export function title(name: string): string {
  return problem === '' ? name : `${name} (skipped: ${problem})`;
}

export async function scenario<T>(fixture: string, name: string, beside = import.meta.url): Promise<T> {
  const file = fileURLToPath(new URL(`fixtures/${fixture}.mjs`, beside));
  const inside = 'mount -t sysfs sysfs /sys && exec "$0" "$@"';
  const { stdout } = await run('unshare', ['-n', '-m', 'sh', '-c', inside, process.execPath, file, name], {
    timeout: 60_000 * SLOW,
    killSignal: 'SIGKILL',
  });
  return JSON.parse(stdout) as T;
}
