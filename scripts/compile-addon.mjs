// Compiles the addon with CMake alone, for `build-addon.mjs` (users) and `prebuild.mjs` (maintainers). Needs Node,
// cmake, a C++ compiler, make or ninja, and two packages of headers.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildJobs } from './build-jobs.mjs';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const HEADERS = ['node-addon-api', 'node-api-headers'];

/** Runs a program; its output where it failed, else null. */
export function failureOf(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status === 0) return null;
  const lines = `${stdout ?? ''}${stderr ?? ''}`.split('\n').filter((line) => line.trim() !== '');
  const gist = lines.find((line) => /\berror\b/i.test(line)) ?? lines.at(-1);
  return (error?.message ?? gist ?? `exit status ${status}`).trim();
}

const isThere = (program) => failureOf(program, ['--version']) === null;

/** What is missing to compile with, as Debian calls it. */
export function missingTools(compilers = ['c++', 'g++', 'clang++'], compilerPackage = 'g++') {
  const missing = [];
  if (!isThere('cmake')) missing.push('cmake');
  if (!compilers.some(isThere)) missing.push(compilerPackage);
  if (!['make', 'ninja'].some(isThere)) missing.push('make');
  return missing;
}

/** The folder that has the header packages: this checkout's, else `spare`, where they are installed. Throws Error. */
export function headersIn(spare) {
  const here = join(ROOT, 'node_modules');
  if (HEADERS.every((name) => existsSync(join(here, name)))) return here;
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const packages = HEADERS.map((name) => `${name}@${devDependencies[name]}`);
  const args = ['install', '--prefix', spare, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  const problem = failureOf('npm', [...args, ...packages]);
  if (problem !== null) throw new Error(`npm install ${packages.join(' ')} failed: ${problem}`);
  return join(spare, 'node_modules');
}

/** Compiles into `folder`; the path of the addon. `defines`: more CMake variables. Throws Error. */
export function compileAddon(folder, headers, defines = {}) {
  const all = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(folder, 'Release'),
    NODE_ADDON_API: join(headers, 'node-addon-api'),
    CMAKE_JS_INC: join(headers, 'node-api-headers', 'include'),
    ...defines,
  };
  const given = Object.entries(all).map(([name, value]) => `-D${name}=${value}`);
  const problem =
    failureOf('cmake', ['-S', ROOT, '-B', folder, ...given]) ??
    failureOf('cmake', ['--build', folder, ...buildJobs()]);
  if (problem !== null) throw new Error(problem);
  return join(folder, 'Release', 'rxsteer.node');
}
