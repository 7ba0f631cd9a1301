/** Every example runs as it stands and prints something. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const directory = new URL('../examples', import.meta.url).pathname;
const examples = readdirSync(directory).filter((name) => name.endsWith('.mjs'));

describe('examples', () => {
  it('are found', () => {
    expect(examples.length).toBeGreaterThan(1);
  });

  it.each(examples)('%s', (name) => {
    const output = execFileSync(process.execPath, [join(directory, name)], { encoding: 'utf8' });
    expect(output.trim()).not.toBe('');
  });

  it('the first experiment spreads all flows over four queues', () => {
    const output = execFileSync(process.execPath, [join(directory, 'first-experiment.mjs')], {
      encoding: 'utf8',
    });
    const counts = JSON.parse(output.trim().split('\n').at(-1)!) as number[];
    expect(counts.length).toBe(4);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(1000);
    for (const n of counts) expect(n).toBeGreaterThan(150);
  });
});
