/**
 * Cases of a matrix: `npm test` runs a few of them, chosen so that every value of every dimension is met, `npm run soak`
 * (RXSTEER_WHOLE=1) runs all.
 */
export const WHOLE = process.env.RXSTEER_WHOLE === '1';

/** All cases, or, every day, those at `places`. @throws RangeError for a place that there is not */
export function matrix<T>(cases: readonly T[], places: readonly number[]): T[] {
  if (WHOLE) return [...cases];
  return places.map((place) => {
    if (place >= cases.length) throw new RangeError(`no case ${place}`);
    return cases[place]!;
  });
}
