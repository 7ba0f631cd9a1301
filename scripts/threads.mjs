// Bundles what worker threads load, and what the doctor does, into dist/run/ (src/thread-modules.ts says why and when it
// is used):
//
//     node scripts/threads.mjs
//
// One file for each module that is named at run time, and what they share in others. Packages stay packages.
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

/** What a command loads that shall take little memory (src/cli/lean.ts). */
const LEAN = ['cli/program.js', 'cli/doctor.js'];

/**
 * Built-in modules by `process.getBuiltinModule`: an import lists all that one exports, and so loads what nobody asks for
 * (`fs` its promises, two and a half megabytes).
 */
const builtins = {
  name: 'builtins',
  resolveId: (id) => (id.startsWith('node:') ? `\0${id}` : null),
  load(id) {
    if (!id.startsWith('\0node:')) return null;
    const name = id.slice(1);
    // Read one by one, so that what is not used falls away.
    const names = Object.keys(Object.getOwnPropertyDescriptors(process.getBuiltinModule(name)));
    return [
      `const all = process.getBuiltinModule(${JSON.stringify(name)});`,
      'const one = (name) => all[name];',
      'export default all;',
      ...names
        .filter((key) => /^[A-Za-z]\w*$/.test(key) && key !== 'default')
        .map((key) => `const own_${key} = /* @__PURE__ */ one('${key}'); export { own_${key} as ${key} };`),
    ].join('\n');
  },
};

/** Not in bundles: vendored packages, which are small already, and what neither workers nor the doctor ask for. */
const APART = /\/vendor\/|\/complete\.js$/;
const apart = {
  name: 'apart',
  resolveId(id, importer) {
    if (!APART.test(id)) return null;
    return { id: relative(RUN, join(dirname(importer), id)).replaceAll('\\', '/'), external: true };
  },
};

async function bundleOf(paths, { plugins = [], ...output } = {}) {
  const bundle = await rolldown({
    input: Object.fromEntries(
      paths.map((path) => [path.replaceAll('/', '-').slice(0, -3), join(DIST, path)]),
    ),
    platform: 'node',
    external: (id) => /^[^./\0]/.test(id) && !APART.test(id),
    plugins: [apart, ...plugins, addresses],
  });
  await bundle.write({
    dir: RUN,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    // Names stay, for who reads a stack.
    comments: false,
    minify: { compress: true, mangle: false, codegen: true },
    ...output,
  });
  await bundle.close();
}

rmSync(RUN, { recursive: true, force: true });
await bundleOf(entries());
await bundleOf(LEAN, {
  plugins: [builtins],
  chunkFileNames: 'lean-[name]-[hash].js',
});
writeFileSync(join(RUN, 'made'), '');
