// Makes dist/vendor/NAME.js of what src/vendor/NAME.ts names, with the parts of packages that it is made of:
//
//     node scripts/vendor.mjs
//
// What is written below `dist/` of this checkout takes the place of what the compiler wrote: a module that only names a
// package of a hundred files costs each start of the program a fifth of a second. `bundle.mjs` does the same for the
// package, where it stands for a dependency too.
import { readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const VENDOR = join(ROOT, 'src', 'vendor');

/** zod's messages in other languages than English are half of it. */
const englishOnly = {
  name: 'english-only',
  load: (id) =>
    /\/zod\/v4\/locales\/index\.js$/.test(id) ? `export { default as en } from './en.js';` : null,
};

/** The folder of the package that a module belongs to, or null for our own. */
function packageOf(id) {
  const [found] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? [];
  return found ?? null;
}

/** Bundles what a module of `src/vendor` names; folders of the packages that went in. */
async function bundleCode(source, target) {
  const bundle = await rolldown({ input: source, platform: 'node', plugins: [englishOnly] });
  const { output } = await bundle.write({ file: target, format: 'esm', minify: true });
  await bundle.close();
  if (output.length !== 1) throw new Error(`${basename(source)} became ${output.length} files`);
  const [{ imports, moduleIds }] = output;
  const left = imports.filter((name) => !isBuiltin(name));
  if (left.length > 0) throw new Error(`${basename(source)} still imports ${left.join(', ')}`);
  return moduleIds.map(packageOf).filter((folder) => folder !== null);
}

/** Writes all of them into a folder; folders of the packages that they are made of. */
export async function makeVendor(folder) {
  const packages = new Set();
  for (const name of readdirSync(VENDOR)) {
    const target = join(folder, name.replace(/\.ts$/, '.js'));
    for (const found of await bundleCode(join(VENDOR, name), target)) packages.add(found);
  }
  return packages;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await makeVendor(join(ROOT, 'dist', 'vendor'));
