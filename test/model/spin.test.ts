/**
 * The models of the data plane and of Linux's rule, searched exhaustively by spin for small bounds.
 *
 * The strict data plane must have no error at all; every mutant of it, and Linux's rule with any of its known holes,
 * must have one: a search that finds nothing anywhere would prove nothing.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { matrix } from '../support/matrix.js';
import { missing, search } from './search.js';

const NONE = { errors: 0, complaint: '' };

describe.skipIf(missing.length > 0)('the data plane under order=strict', { timeout: 240_000 }, () => {
  test.each(
    matrix<[string, string[]]>(
      [
        ['two workers', ['N=4', 'W=2']],
        ['two workers, one dies at any moment', ['N=4', 'W=2', 'DEATH']],
        ['two workers, three frames, one dies at any moment', ['N=3', 'W=2', 'DEATH']],
        ['two workers, the one that steers dies at any moment', ['N=3', 'W=2', 'POLLER_DEATH']],
        [
          'three workers, moves between two that do not steer',
          ['N=3', 'W=3', 'BURST=1', 'HOLD_MAX=1', 'AWAKE'],
        ],
      ],
      [2],
    ),
  )('never overtakes, loses or waits for ever: %s', (_, defines) => {
    const found = search('dataplane.pml', ...defines);
    expect(found).toMatchObject(NONE);
    expect(found.states).toBeGreaterThan(100_000);
  });

  test.each(
    matrix<[string, string, string, ...string[]]>(
      [
        ['the guard looks at frames taken, not at frames finished', 'MUTANT_GUARD_BY_HEAD', 'lastSent'],
        ['no guard', 'MUTANT_NO_GUARD', 'lastSent'],
        ['held frames are released before the old worker has drained', 'MUTANT_RELEASE_EARLY', 'lastSent'],
        ['a new frame passes those that are held', 'MUTANT_PASS_THE_HELD', 'lastSent'],
        ['a worker sleeps without looking at its ring again', 'MUTANT_SLEEP_UNSEEN', 'invalid end state'],
        [
          'a successor does not wait for what its predecessor published',
          'MUTANT_SUCCESSOR_RUSHES',
          'lastSent',
          'POLLER_DEATH',
        ],
        [
          'moves between other workers are not guarded',
          'MUTANT_BETWEEN_OTHERS',
          'lastSent',
          'W=3',
          'AWAKE',
          'BURST=1',
        ],
      ],
      [0],
    ),
  )('finds the mistake: %s', (_, mutant, complaint, ...more) => {
    const found = search('dataplane.pml', 'N=3', ...(more.includes('W=3') ? [] : ['W=2']), ...more, mutant);
    expect(found.errors).toBe(1);
    expect(found.complaint).toContain(complaint);
  });
});

describe.skipIf(missing.length > 0)("Linux's rule", { timeout: 180_000 }, () => {
  test.each(
    matrix<[string, string[]]>(
      [
        ['two CPUs', []],
        ['three CPUs', ['CPUS=3']],
        ['the head counter before 6.10', ['LEGACY']],
      ],
      [0],
    ),
  )('keeps its promise while the flow stays in both tables: %s', (_, defines) => {
    expect(search('linux-rfs.pml', ...defines)).toMatchObject(NONE);
  });

  test.each(matrix(['HOLE_FIRST_RECORD', 'HOLE_TAG_LOSS', 'HOLE_TABLE_WRITE'], [0]))(
    'loses order through %s',
    (hole) => {
      const found = search('linux-rfs.pml', hole);
      expect(found.errors).toBe(1);
      expect(found.complaint).toContain('lastDelivered');
    },
  );
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
  expect(new Set(named).size).toBe(10);
});
