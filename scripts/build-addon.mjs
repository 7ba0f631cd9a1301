// Builds the native addon where the package brings none that fits:
//
//     node scripts/build-addon.mjs [FILE]
//
// Writes build/Release/rxsteer.node, where it is found from then on, or FILE, for the variable RXSTEER_ADDON (where the
// package's folder belongs to somebody else). Needs cmake, make and g++, and fetches two packages of headers with npm.
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { compileAddon, headersIn, missingTools, ROOT } from './compile-addon.mjs';

function fail(line) {
  process.stderr.write(`build-addon: ${line}\n`);
  process.exit(1);
}

if (process.platform !== 'linux') fail('live ports need Linux');
const missing = missingTools();
if (missing.length > 0) fail(`missing ${missing.join(', ')} (apt-get install ${missing.join(' ')})`);

const [given] = process.argv.slice(2);
const file = resolve(given ?? join(ROOT, 'build', 'Release', 'rxsteer.node'));
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-addon-'));
try {
  process.stderr.write('build-addon: compiling, which takes a minute or two\n');
  const addon = compileAddon(join(folder, 'build'), headersIn(folder));
  mkdirSync(dirname(file), { recursive: true });
  // A running rxsteer may have the old one open.
  cpSync(addon, `${file}.new`);
  renameSync(`${file}.new`, file);
} catch (error) {
  fail(error.message);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stderr.write(
  given === undefined ? `build-addon: built ${file}\n` : `build-addon: built; set RXSTEER_ADDON=${file}\n`,
);
