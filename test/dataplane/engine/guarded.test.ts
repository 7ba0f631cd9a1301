/** What fails where nobody awaits it is told once and ends nothing. */
import { expect, it } from 'vitest';
import { Guard } from '#rxsteer/dataplane/engine/guarded.js';

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
