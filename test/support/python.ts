/** Python's interpreter itself: what `python3` is on the PATH may be a script that looks for it, each time for half a second. */
import { spawnSync } from 'node:child_process';

let found: string | null | undefined;

/** Its path, or null where there is none. */
export function python(): string | null {
  if (found === undefined) {
    const { status, stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
      encoding: 'utf8',
    });
    found = status === 0 && stdout.trim() !== '' ? stdout.trim() : null;
  }
  return found;
}
