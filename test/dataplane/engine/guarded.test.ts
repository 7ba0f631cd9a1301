/** What fails where nobody awaits it is told once and ends nothing. */
import { expect, it } from 'vitest';
import { Guard } from '#rxsteer/dataplane/engine/guarded.js';
import { patience } from '#rxsteer/dataplane/engine/patience.js';

it('tells a failure once, again after it has worked meanwhile, and never throws', () => {
  const lines: string[] = [];
  const guard = new Guard((line) => {
    lines.push(line);
    throw new Error('nobody reads');
  });
  const fail = (message: string) => () => {
    throw new Error(message);
  };
  expect(guard.run('links', fail('EMFILE\n  at …'))).toBe(false);
  expect(guard.run('links', fail('EMFILE'))).toBe(false);
  expect(guard.run('statistics', fail('EMFILE'))).toBe(false);
  expect(guard.run('links', fail('ENOMEM'))).toBe(false);
  expect(guard.run('links', () => {})).toBe(true);
  expect(guard.run('links', fail('ENOMEM'))).toBe(false);
  expect(
    guard.run('odd', () => {
      throw undefined;
    }),
  ).toBe(false);
  expect(lines).toEqual([
    'links: EMFILE',
    'statistics: EMFILE',
    'links: ENOMEM',
    'links: ENOMEM',
    'odd: undefined',
  ]);
});

it('patience is what was asked for on a usual machine, in proportion on a slow one, and has an end', () => {
  expect([20, 150, 300, 1500, 1e9].map((startMs) => patience(20_000, startMs))).toEqual([
    ...[20_000, 20_000, 40_000, 200_000, 600_000],
  ]);
  // Where Node does not tell.
  expect(patience(20_000, -1)).toBe(20_000);
  expect(patience(20_000)).toBeGreaterThanOrEqual(20_000);
});
