// Makes what the package has instead of dependencies and of hundreds of files:
//
//     node scripts/bundle.mjs [FOLDER]
//
// Writes below FOLDER (default: this checkout), which has a compiled `dist/`:
//   dist/vendor/NAME.js       what src/vendor/NAME.ts names, with the parts of packages that it is made of
//   dist/vendor/LICENSES.txt  the licences of these packages
//   types/index.d.ts          the public face's types, and all that they are made of, in one file
// What is fresh is copied only. Part of `prepack`; the checkout itself runs without.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import dts from 'rollup-plugin-dts';
import { makeVendor } from './vendor.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const VENDOR = join(ROOT, 'src', 'vendor');
const DIST = join(ROOT, 'dist');
const MADE = join(ROOT, 'build', 'bundle');
/** Packages whose types the public face's are made of. */
const TYPED = ['zod'];

const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Adds what a package depends on: it may have been bundled into its own files. */
function withDependencies(folder, found) {
  if (found.has(folder)) return;
  found.add(folder);
  for (const name of Object.keys(manifestOf(folder).dependencies ?? {})) {
    withDependencies(join(ROOT, 'node_modules', name), found);
  }
}

function licence(folder) {
  const { name, version, license } = manifestOf(folder);
  const file = readdirSync(folder).find((entry) => /^(licen[sc]e|copying)/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence file`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}

async function bundleTypes(target) {
  const problems = [];
  const bundle = await rollup({
    input: join(DIST, 'index.d.ts'),
    external: [/^node:/],
    plugins: [dts({ includeExternal: TYPED })],
    onwarn: ({ message }) => problems.push(message),
  });
  await bundle.write({ file: target, format: 'es' });
  await bundle.close();
  if (problems.length > 0) throw new Error(`types: ${problems[0]}`);
}

/** A digest of what both are made from. */
function digest() {
  const hash = createHash('sha256');
  const add = (path) => hash.update(path.slice(ROOT.length)).update('\0').update(readFileSync(path));
  for (const name of readdirSync(DIST, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.d.ts')) add(join(DIST, name));
  }
  for (const name of readdirSync(VENDOR).sort()) add(join(VENDOR, name));
  for (const name of ['package-lock.json', 'scripts/bundle.mjs', 'scripts/vendor.mjs']) add(join(ROOT, name));
  return hash.digest('hex');
}

async function make() {
  rmSync(MADE, { recursive: true, force: true });
  const folders = new Set();
  for (const folder of await makeVendor(join(MADE, 'dist', 'vendor'))) withDependencies(folder, folders);
  const licences = [...folders].sort().map(licence);
  writeFileSync(join(MADE, 'dist', 'vendor', 'LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
  await bundleTypes(join(MADE, 'types', 'index.d.ts'));
}

const folder = resolve(process.argv[2] ?? ROOT);
const stamp = join(MADE, 'made-from.sha256');
const wanted = digest();
try {
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    process.stderr.write('bundle: bundling code and types\n');
    await make();
    writeFileSync(stamp, wanted);
  }
  for (const name of ['dist', 'types']) {
    mkdirSync(join(folder, name), { recursive: true });
    cpSync(join(MADE, name), join(folder, name), { recursive: true });
  }
} catch (error) {
  process.stderr.write(`bundle: ${error.message}\n`);
  process.exitCode = 1;
}
