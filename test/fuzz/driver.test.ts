/** The fuzzer itself: it finds what lies behind conditions, shrinks it, keeps it, and replays it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type FuzzTarget, fuzz } from './driver.js';
import { planted } from './planted.js';

const folder = mkdtempSync(join(tmpdir(), `rxsteer-test-${process.pid}-`));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const target: FuzzTarget = {
  name: 'planted',
  covers: /test\/fuzz\/planted/,
  maxBytes: 40,
  // One letter a token: each condition is passed by itself, and the input kept for that.
  tokens: ['b', 'u', 'g', '!'],
  seeds: () => ['a long input that has nothing of it'],
  check: planted,
};

it('finds a fault behind conditions, and keeps the shortest input that shows it', async () => {
  const options = { seed: 3, executions: 200_000, budgetMs: 60_000, cases: folder };
  await expect(fuzz(target, options)).rejects.toThrow(/planted: the planted fault \(saved as .*, 4 bytes\)/);
  const names = readdirSync(join(folder, 'planted'));
  expect(names.map((name) => readFileSync(join(folder, 'planted', name), 'latin1'))).toEqual(['bug!']);
  // From now on it is the first thing that is tried.
  const again = fuzz(target, { ...options, executions: 0 });
  await expect(again).rejects.toThrow(`case planted/${names[0]}: the planted fault`);
});
