/**
 * Builds the traffic tools on demand into build/tools/, or the folder given: `tool('pktgen')` is the path of the program, compiled anew
 * when a source is newer. Several processes may do so at once: each compiles to its own file and renames it.
 *
 * From the command line: `node bench/tools/build.mjs` builds all of them and prints their paths.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('.', import.meta.url));
const here = fileURLToPath(new URL('../../build/tools/', import.meta.url));

/** Names of the tools. */
export const TOOLS = readdirSync(sources)
  .filter((file) => file.endsWith('.cc'))
  .map((file) => file.slice(0, -3));

/** Path of a tool in a folder, built if need be. Throws Error with the compiler's output when that fails. */
export function tool(name, target = here) {
  const source = `${sources}${name}.cc`;
  const program = join(target, name);
  const newest = Math.max(...[source, `${sources}common.h`].map((file) => statSync(file).mtimeMs));
  if (existsSync(program) && statSync(program).mtimeMs > newest) return program;
  mkdirSync(target, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const compiler = process.env.CXX ?? 'g++';
  const options = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-o', fresh, source];
  const { status, stderr, error } = spawnSync(compiler, options, { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(fresh, { force: true });
    throw new Error(`${compiler} ${name}.cc failed: ${error?.message ?? stderr}`);
  }
  renameSync(fresh, program);
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) for (const name of TOOLS) console.log(tool(name));
