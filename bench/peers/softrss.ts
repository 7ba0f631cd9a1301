/** Builds softrss.c against the DPDK that is installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { benchSource, programFolder } from '../lab/folder.js';
import { missingProgram } from '../lab/programs.js';

export interface SoftRss {
  /** The program; empty when it cannot be built, then `problem` says why. */
  readonly path: string;
  readonly problem: string;
}

/**
 * Compiles it.
 * @param native for the processor at hand instead of the one that the package was built for.
 */
export function buildSoftRss(native: boolean): SoftRss {
  const what = 'rte_softrss';
  const missing = missingProgram(what, { cc: 'gcc', 'pkg-config': 'pkg-config' });
  if (missing !== null) return { path: '', problem: missing };
  const flags = spawnSync('pkg-config', ['--cflags', 'libdpdk'], { encoding: 'utf8' });
  if (flags.status !== 0) {
    return { path: '', problem: `${what} left out: no libdpdk (apt-get install libdpdk-dev)` };
  }
  const source = benchSource('peers/softrss.c');
  const path = join(programFolder(), `softrss${native ? '-native' : ''}`);
  const options = ['-O3', '-Wall', '-Wextra', ...flags.stdout.trim().split(/\s+/)];
  // The package's own -march comes first; the last one counts.
  if (native) options.push('-march=native');
  try {
    execFileSync('cc', [...options, '-o', path, source], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const text = String((error as { stderr?: string }).stderr ?? '').split('\n');
    return {
      path: '',
      problem: `${what} left out: ${text.find((line) => /error/.test(line)) ?? 'cc failed'}`,
    };
  }
  return { path, problem: '' };
}
