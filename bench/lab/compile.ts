/** Compiles the C and C++ programs of the benchmarks, on the spot. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { benchSource, programFolder } from './folder.js';
import { missingProgram } from './programs.js';

export interface Program {
  /** The program; empty when it cannot be built, then `problem` says why. */
  readonly path: string;
  readonly problem: string;
}

export interface CompileOptions {
  /** What the figures are called; for what is left out. */
  readonly what: string;
  /** Source below bench/: C where it ends in .c, else C++20. */
  readonly source: string;
  /** Against the DPDK that is installed. */
  readonly dpdk?: boolean;
}

/** With all optimisation and for the processor at hand: what a user who builds it himself gets. */
export function compile({ what, source, dpdk = false }: CompileOptions): Program {
  const fail = (problem: string): Program => ({ path: '', problem: `${what} left out: ${problem}` });
  const isC = source.endsWith('.c');
  const compiler = isC ? 'cc' : 'c++';
  const missing = missingProgram(what, { [compiler]: isC ? 'gcc' : 'g++' });
  if (missing !== null) return { path: '', problem: missing };
  let cflags: string[] = [];
  let libraries: string[] = [];
  if (dpdk) {
    const noPkgConfig = missingProgram(what, { 'pkg-config': 'pkg-config' });
    if (noPkgConfig !== null) return { path: '', problem: noPkgConfig };
    const ask = (flag: string) => spawnSync('pkg-config', [flag, 'libdpdk'], { encoding: 'utf8' });
    const found = ask('--cflags');
    if (found.status !== 0) return fail('no libdpdk (apt-get install libdpdk-dev)');
    cflags = found.stdout.trim().split(/\s+/);
    libraries = ask('--libs').stdout.trim().split(/\s+/);
  }
  const path = join(programFolder(), source.replace(/.*\/|\.\w+$/g, ''));
  const language = isC ? [] : ['-std=c++20'];
  const options = [...language, '-O3', '-Wall', '-Wextra', '-pthread', ...cflags, '-march=native'];
  try {
    const all = [...options, '-o', path, benchSource(source), ...libraries];
    execFileSync(compiler, all, { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const text = String((error as { stderr?: string }).stderr ?? '').split('\n');
    return fail(text.find((line) => /error/.test(line)) ?? `${compiler} failed`);
  }
  return { path, problem: '' };
}
