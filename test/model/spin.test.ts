/**
 * The models of the data plane and of Linux's rule, searched exhaustively by spin for small bounds.
 *
 * The strict data plane must have no error at all; every mutant of it, and Linux's rule with any of its known holes,
 * must have one: a search that finds nothing anywhere would prove nothing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const missing = ['spin', 'gcc'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
if (missing.length > 0) console.warn(`models not checked: ${missing.join(' and ')} missing`);

interface Search {
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
function search(model: string, ...defines: string[]): Search {
  const cwd = mkdtempSync(path.join(directory, 'pan-'));
  const source = path.resolve('test/model', model);
  execFileSync('spin', [...defines.map((define) => `-D${define}`), '-a', source], { cwd });
  execFileSync('gcc', ['-O1', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], { cwd });
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

const NONE = { errors: 0, complaint: '' };

describe.skipIf(missing.length > 0)('the data plane under order=strict', { timeout: 120_000 }, () => {
  test.each([
    ['two workers', ['N=4', 'W=2']],
    ['two workers, one dies at any moment', ['N=4', 'W=2', 'DEATH']],
    ['three workers', ['N=3', 'W=3', 'BURST=1', 'HOLD_MAX=1', 'CAP=1']],
  ])('never overtakes, loses or waits for ever: %s', (_, defines) => {
    const found = search('dataplane.pml', ...defines);
    expect(found).toMatchObject(NONE);
    expect(found.states).toBeGreaterThan(100_000);
  });

  test.each([
    ['the guard looks at frames taken, not at frames finished', 'MUTANT_GUARD_BY_HEAD', 'lastSent'],
    ['no guard', 'MUTANT_NO_GUARD', 'lastSent'],
    ['held frames are released before the old worker has drained', 'MUTANT_RELEASE_EARLY', 'lastSent'],
    ['a new frame passes those that are held', 'MUTANT_PASS_THE_HELD', 'lastSent'],
    ['a worker sleeps without looking at its ring again', 'MUTANT_SLEEP_UNSEEN', 'invalid end state'],
  ])('finds the mistake: %s', (_, mutant, complaint) => {
    const found = search('dataplane.pml', 'N=3', 'W=2', mutant);
    expect(found.errors).toBe(1);
    expect(found.complaint).toContain(complaint);
  });
});

describe.skipIf(missing.length > 0)("Linux's rule", { timeout: 60_000 }, () => {
  test.each([
    ['two CPUs', []],
    ['three CPUs', ['CPUS=3']],
    ['the head counter before 6.10', ['LEGACY']],
  ])('keeps its promise while the flow stays in both tables: %s', (_, defines) => {
    expect(search('linux-rfs.pml', ...defines)).toMatchObject(NONE);
  });

  test.each(['HOLE_FIRST_RECORD', 'HOLE_TAG_LOSS', 'HOLE_TABLE_WRITE'])('loses order through %s', (hole) => {
    const found = search('linux-rfs.pml', hole);
    expect(found.errors).toBe(1);
    expect(found.complaint).toContain('lastDelivered');
  });
});

test.skipIf(missing.length > 0)('every mutant and hole of the models is searched', () => {
  const named = ['dataplane.pml', 'linux-rfs.pml'].flatMap((model) =>
    [
      ...readFileSync(path.join('test/model', model), 'utf8').matchAll(
        /#ifn?def ((?:MUTANT|HOLE)_(?!MAX)\w+)/g,
      ),
    ].map((match) => match[1]!),
  );
  const here = readFileSync('test/model/spin.test.ts', 'utf8');
  for (const name of named) expect(here).toContain(`'${name}'`);
  expect(new Set(named).size).toBe(8);
});
