/** Packages that only the benchmarks need: an installed rxsteer comes without them. */
import { createRequire } from 'node:module';

/** Throws in one line that says what to install, where the package is missing. */
export function needPackage(what: string, name: string): void {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch {
    throw new Error(
      `${what} needs the package ${name}, which rxsteer does not bring: npm install ${name} beside it (npm install -g ${name} where rxsteer is installed so)`,
    );
  }
}
