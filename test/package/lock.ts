/** What an installed rxsteer brings, as the lockfile has it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Locked {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/** Packages by folder, "" = this one. */
export function lockedPackages(): Readonly<Record<string, Locked>> {
  const text = readFileSync(`${ROOT}package-lock.json`, 'utf8');
  return (JSON.parse(text) as { packages: Record<string, Locked> }).packages;
}

/** Whether npm installs a package on Linux with this processor and glibc. */
function isFor({ os, cpu, libc }: Locked, arch: string): boolean {
  const permits = (list: readonly string[] | undefined, name: string) => list?.includes(name) ?? true;
  return permits(os, 'linux') && permits(cpu, arch) && permits(libc, 'glibc');
}

/** Folders of all packages that are installed with rxsteer: what it depends on, without what it is built and tested with. */
export function runtimeFolders(arch: string = process.arch): string[] {
  const locked = lockedPackages();
  const found = new Set<string>();
  const visit = (from: string) => {
    const { dependencies, optionalDependencies } = locked[from]!;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      // As Node looks for it: beside, then further out.
      let place = from;
      while (locked[`${place === '' ? '' : `${place}/`}node_modules/${name}`] === undefined) {
        if (place === '') throw new Error(`${from}: ${name} is not in the lockfile`);
        place = place.includes('/node_modules/') ? place.slice(0, place.lastIndexOf('/node_modules/')) : '';
      }
      const folder = `${place === '' ? '' : `${place}/`}node_modules/${name}`;
      if (found.has(folder) || !isFor(locked[folder]!, arch)) continue;
      found.add(folder);
      visit(folder);
    }
  };
  visit('');
  return [...found];
}
