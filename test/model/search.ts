/** Runs the models through spin: generates, compiles and runs a verifier. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { WHOLE } from '../support/matrix.js';

/** Programs that are needed and not there. */
export const missing = ['spin', 'gcc'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
if (missing.length > 0) console.warn(`models not checked: ${missing.join(' and ')} missing`);

/** What a search found. */
export interface Search {
  readonly errors: number;
  readonly states: number;
  /** The first complaint; empty without errors. */
  readonly complaint: string;
}

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'rxsteer-spin-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Generates, compiles and runs the verifier of a model under the given definitions. */
export function search(model: string, ...defines: string[]): Search {
  const cwd = mkdtempSync(path.join(directory, 'pan-'));
  const source = path.resolve('test/model', model);
  execFileSync('spin', [...defines.map((define) => `-D${define}`), '-a', source], { cwd });
  execFileSync('gcc', [WHOLE ? '-O1' : '-O0', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], { cwd });
  // Stops at the first error; a search that ran out of depth would not be exhaustive.
  const out = execFileSync('./pan', ['-m100000'], { cwd, encoding: 'utf8', maxBuffer: 1 << 24 });
  expect(out).not.toContain('max search depth too small');
  const errors = /errors: (\d+)/.exec(out);
  const states = /(\d+) states, stored/.exec(out);
  if (errors === null || states === null) throw new Error(`no result from the verifier: ${out}`);
  return {
    errors: Number(errors[1]),
    states: Number(states[1]),
    complaint: /pan:1: (.*)/.exec(out)?.[1] ?? '',
  };
}
