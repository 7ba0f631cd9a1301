/** What a victim keeps under each attack of another guest: the benchmark of that, once, by what arrives at the far end. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { labProblem } from '#rxsteer/cli/lab.js';
import { SLOW } from '../support/slow.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const problem = labProblem();
const title = problem === '' ? '' : ` (skipped: ${problem})`;

it.skipIf(problem !== '')(
  `a victim's frames arrive whatever another guest sends${title}`,
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [MAIN, 'bench', 'hostile', '--quick', '--json'],
      { maxBuffer: 1 << 24 },
    );
    const { ratios } = JSON.parse(stdout) as {
      ratios: { name: string; wanted: string | null; value: number; holds: boolean | null }[];
    };
    const judged = ratios.filter(({ wanted }) => wanted !== null);
    expect(judged).toHaveLength(8);
    expect(judged.filter(({ holds }) => holds !== true)).toEqual([]);
  },
  300_000 * SLOW,
);
