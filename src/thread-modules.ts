/**
 * Where threads, and the doctor, find their modules: bundled into a few files, where that is fresh.
 *
 * Promise: a thread of a worker loads a hundred and fifty modules else, which is nearly half of what its start costs (160
 * of 350 ms of CPU time in Node 20), each time that one is started or comes back after its death. `scripts/threads.mjs`
 * bundles them into `dist/run/` when the project is set up and when it is packed. A module that was compiled since then
 * makes all of it stale: the modules themselves are loaded then. A thread loads from one of the two, never from both.
 * The doctor's modules are there for their memory.
 */
import { fileURLToPath } from 'node:url';

// Not imported: an import of `fs` loads its promises too.
const { existsSync, statSync } = process.getBuiltinModule('node:fs');

/** What `scripts/threads.mjs` leaves of this module's own address: here it is where the code lies, bundled or not. */
const HERE = import.meta.url;
const BUNDLED = /\/run\/[^/]+$/.test(HERE);
const DIST = new URL(BUNDLED ? '..' : '.', HERE).href;

const counterpart = (url: string): string =>
  new URL(`run/${url.slice(DIST.length).replaceAll('/', '-')}`, DIST).href;

function changedMs(name: string): number | null {
  return statSync(fileURLToPath(new URL(name, DIST)), { throwIfNoEntry: false })?.mtimeMs ?? null;
}

/** True where the bundle is there, and of what was compiled last; what compiled is not part of the package. */
function isFresh(): boolean {
  const made = changedMs('run/made');
  return made !== null && made >= (changedMs('.tsbuildinfo') ?? 0);
}

/**
 * The module that a thread shall begin with: a path, for Piscina. Any thread.
 * @param module URL of a module of ours
 * @param named URLs of modules that the thread will load by `ownModule`. One that is not in the bundle (a kind of port
 *   that somebody else brings) imports our modules from where they are: all of the thread then does
 */
export function threadModule(module: URL, named: readonly string[] = []): string {
  const isBundled = (url: string) => url.startsWith(DIST) && existsSync(fileURLToPath(counterpart(url)));
  return fileURLToPath(isFresh() && named.every(isBundled) ? counterpart(module.href) : module.href);
}

/** The URL by which this thread loads a module of ours that is named at run time. */
export function ownModule(url: string): string {
  return BUNDLED ? counterpart(url) : url;
}
