// The tricks of the hot loops that bench/hot-loops undoes are in the built code, and undoing one leaves a program: a
// loop that is written anew must not leave its measurement behind.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error The benchmark is a script without types.
import { ONE_THREAD, TWO_THREADS } from '../../bench/hot-loops/tricks.mjs';

type Changes = Record<string, (text: string) => string>;

const built = (file: string): string => readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');

/** What of such texts is no module: one line each. One process for all. */
function faults(texts: Record<string, string>): string[] {
  const code = `
    const { SourceTextModule } = require('node:vm');
    const told = [];
    for (const [identifier, text] of Object.entries(JSON.parse(require('node:fs').readFileSync(0, 'utf8')))) {
      try {
        new SourceTextModule(text, { identifier });
      } catch (error) {
        told.push(identifier + ': ' + error.message);
      }
    }
    console.log(JSON.stringify(told));`;
  const args = ['--no-warnings', '--experimental-vm-modules', '-e', code];
  return JSON.parse(execFileSync(process.execPath, args, { input: JSON.stringify(texts), encoding: 'utf8' }));
}

describe('every trick of the hot loops can be undone', () => {
  const tricks: [string, Changes][] = Object.entries({ ...ONE_THREAD, ...TWO_THREADS });
  const undone: Record<string, string> = {};

  it.each(tricks)('%s', (trick, changes) => {
    for (const [file, change] of Object.entries(changes)) {
      const text = built(file);
      undone[`${trick}: ${file}`] = change(text);
      expect(undone[`${trick}: ${file}`]).not.toBe(text);
    }
  });

  it('and leaves a program', () => {
    const [first] = Object.keys(undone);
    expect(faults({ ...undone, none: `${undone[first!]}\n}` })).toEqual([expect.stringMatching(/^none: /)]);
  });
});
