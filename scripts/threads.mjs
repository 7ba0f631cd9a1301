// Bundles what worker threads load into dist/run/ (src/thread-modules.ts says why and when it is used):
//
//     node scripts/threads.mjs
//
// One file for each module that a thread names at run time, and what they share in others. Packages stay packages.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const RUN = join(DIST, 'run');

/** Modules that a thread begins with, or loads by their address. */
function entries() {
  const kinds = readdirSync(join(DIST, 'dataplane', 'ports')).map(
    (kind) => `dataplane/ports/${kind}/attach.js`,
  );
  return ['dataplane/worker/thread.js', ...kinds.filter((path) => existsSync(join(DIST, path)))];
}

/** Modules that find files by their own address go on doing so; the one that asks where it lies is left alone. */
const addresses = {
  name: 'addresses',
  transform(code, id) {
    if (!code.includes('import.meta.url') || id.endsWith('/thread-modules.js')) return null;
    const own = `new URL(${JSON.stringify(`../${relative(DIST, id)}`)}, import.meta.url).href`;
    return code.replaceAll('import.meta.url', own);
  },
};

rmSync(RUN, { recursive: true, force: true });
const bundle = await rolldown({
  input: Object.fromEntries(
    entries().map((path) => [path.replaceAll('/', '-').slice(0, -3), join(DIST, path)]),
  ),
  platform: 'node',
  external: /^[^./]/,
  plugins: [addresses],
});
await bundle.write({
  dir: RUN,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  // Names and lines stay, for who reads a stack.
  comments: false,
});
await bundle.close();
writeFileSync(join(RUN, 'made'), '');
