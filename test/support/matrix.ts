/**
 * Cases of a matrix: `npm test` runs a few of them, chosen so that every value of every dimension is met, `npm run soak`
 * (RXSTEER_WHOLE=1) runs all. Whole tests that are not for every day: `inSoak`.
 */
import { it, type TestFunction } from 'vitest';

export const WHOLE = process.env.RXSTEER_WHOLE === '1';

/** Behind the title of a test that is skipped every day: where it is run. */
export const ELSEWHERE = WHOLE ? '' : ' (in the soak)';

/** All cases, or, every day, those at `places`. @throws RangeError for a place that there is not */
export function matrix<T>(cases: readonly T[], places: readonly number[]): T[] {
  if (WHOLE) return [...cases];
  return places.map((place) => {
    if (place >= cases.length) throw new RangeError(`no case ${place}`);
    return cases[place]!;
  });
}

/** A test that only the soak runs; skipped every day, with a title that says so. */
export function inSoak(title: string, body: TestFunction, timeoutMs?: number): void {
  it.runIf(WHOLE)(`${title}${ELSEWHERE}`, body, timeoutMs);
}
