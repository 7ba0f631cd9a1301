// The tricks of the hot loops that bench/hot-loops undoes are in the built code, and undoing one leaves a program: a
// loop that is written anew must not leave its measurement behind.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error The benchmark is a script without types.
import { ONE_THREAD, TWO_THREADS } from '../../bench/hot-loops/tricks.mjs';

type Changes = Record<string, (text: string) => string>;

const built = (file: string): string => readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');

describe('every trick of the hot loops can be undone', () => {
  const tricks: [string, Changes][] = Object.entries({ ...ONE_THREAD, ...TWO_THREADS });

  it.each(tricks)('%s', (_, changes) => {
    for (const [file, change] of Object.entries(changes)) {
      const text = built(file);
      const changed = change(text);
      expect(changed).not.toBe(text);
      execFileSync(process.execPath, ['--input-type=module', '--check', '-'], { input: changed });
    }
  });
});
