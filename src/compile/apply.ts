/**
 * Runs the commands of a back end, on this host.
 *
 * Promise: one after the other; at the first that fails those before it are taken back as far as the undo reaches, and
 * the error says which it was. Nothing else calls a shell.
 */
import { spawnSync } from 'node:child_process';
import type { Compiled } from './back-end.js';

/** What a failed command said. */
function fault(command: string): string | null {
  const { status, stderr, error } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (status === 0) return null;
  return (error?.message ?? stderr.trim().split('\n').at(-1)) || `exit code ${status}`;
}

/** Runs them. @throws Error with code RXS_SYSTEM */
export function apply({ commands, undo }: Compiled): void {
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const why = fault(command);
    if (why === null) continue;
    const left = undo.filter((line) => !line.startsWith('#') && fault(line) !== null);
    const back = left.length === 0 ? 'what was done is taken back' : `not taken back: ${left.join('; ')}`;
    throw Object.assign(new Error(`"${command}": ${why}; ${back}`), { code: 'RXS_SYSTEM' });
  }
}
