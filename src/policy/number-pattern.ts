/**
 * Regular expressions for whole numbers of a range, so that a JSON Schema can say of a text what parsing says.
 *
 * Promise: matches exactly the decimal digits (with up to five leading zeros) of the numbers of the range. Pure.
 */

/** Digits of the same length from `low` to `high`. */
function sameLength(low: string, high: string): string {
  if (low === high) return low;
  if (low.length === 1) return `[${low}-${high}]`;
  const [a, b] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (a === b) return a + group([sameLength(lowRest, highRest)]);
  const length = lowRest.length;
  const any = length === 1 ? '\\d' : `\\d{${length}}`;
  const [isAllLow, isAllHigh] = [/^0+$/.test(lowRest), /^9+$/.test(highRest)];
  const [from, to] = [isAllLow ? a : a + 1, isAllHigh ? b : b - 1];
  return group([
    ...(isAllLow ? [] : [a + group([sameLength(lowRest, '9'.repeat(length))])]),
    ...(from > to ? [] : [(from === to ? String(from) : `[${from}-${to}]`) + any]),
    ...(isAllHigh ? [] : [b + group([sameLength('0'.repeat(length), highRest)])]),
  ]);
}

/** Alternatives, in brackets where there are several. */
function group(parts: readonly string[]): string {
  if (parts.length > 1) return `(${parts.join('|')})`;
  return parts[0]!;
}

/** Source of a regular expression for the whole numbers from `least` to `most`, both 0 or more; without anchors. */
export function wholePattern(least: number, most: number): string {
  const parts: string[] = [];
  for (let from = least; from <= most; ) {
    const to = Math.min(most, 10 ** String(from).length - 1);
    parts.push(sameLength(String(from), String(to)));
    from = to + 1;
  }
  return `0{0,5}${group(parts)}`;
}

/** The same with fractions of up to nine digits; the ends are whole. */
export function decimalPattern(least: number, most: number): string {
  return `(${wholePattern(least, most - 1)}(\\.\\d{1,9})?|${wholePattern(most, most)}(\\.0{1,9})?)`;
}
