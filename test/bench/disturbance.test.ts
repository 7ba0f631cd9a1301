/** Which windows of a measurement count as disturbed. */
import { expect, it } from 'vitest';
import { blindness, Disturbance, disturbed, type Look, stolenMs } from '#rxsteer/bench/lab/disturbance.js';

const STAT =
  'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 0 50 900 1 0 3 42 0 0\ncpu1 1 1 1 1\ncpu10 1 0 0 0 0 0 0 7 0 0\n';

const at = (ms: number, stolen: number | null, waited: number | null): Look => ({
  at: ms,
  stolen: new Map([[0, stolen]]),
  waited: waited === null ? null : new Map([['7', waited]]),
});

it('reads what a hypervisor took, of the CPU that is asked for', () => {
  expect(stolenMs(STAT, 0)).toBe(420);
  expect(stolenMs(STAT, 10)).toBe(70);
  expect(stolenMs(STAT, 1)).toBeNull();
  expect(stolenMs(STAT, 2)).toBeNull();
  expect(stolenMs(null, 0)).toBeNull();
});

it.each([
  [at(0, 0, 0), at(1000, 5, 20), ''],
  [at(0, 100, 0), at(1000, 140, 0), 'CPU 0 was taken away for 4 % of the time'],
  [at(0, 0, 500), at(1000, 0, 600), 'a thread waited for a CPU for 10 % of the time'],
  [at(0, null, null), at(1000, null, null), ''],
  // A thread that has come since then has waited before we looked.
  [{ ...at(0, 0, 0), waited: new Map() }, at(1000, 0, 900), ''],
])('%o, %o: "%s"', (before, after, said) => {
  expect(disturbed(before, after)).toBe(said);
});

it('looks at this machine', () => {
  expect(typeof blindness([0])).toBe('string');
  expect(typeof new Disturbance([0], process.pid).since()).toBe('string');
});
