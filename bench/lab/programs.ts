/** Which programs there are. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Directories that root's PATH may lack. */
const SYSTEM = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

export function hasProgram(name: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `what needs PROGRAM (apt-get install PACKAGE)` for the first missing program; null when none is. */
export function missingProgram(what: string, programs: Readonly<Record<string, string>>): string | null {
  for (const [program, debian] of Object.entries(programs)) {
    if (!hasProgram(program)) return `${what} left out: no ${program} (apt-get install ${debian})`;
  }
  return null;
}
