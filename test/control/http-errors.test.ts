import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEPTH_MAX, isDeeper, parseJson } from '#rxsteer/control/http-errors.js';

/** Depth of a value by its structure. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('the depth of a body', () => {
  it('is that of its lists and objects, whatever its strings hold', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.nat({ max: 8 }), (value, most) => {
        expect(isDeeper(JSON.stringify(value), most)).toBe(depthOf(value) > most);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('has a limit', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(DEPTH_MAX))).toBeInstanceOf(Array);
    for (const depth of [DEPTH_MAX + 1, 150_000]) {
      expect(() => parseJson(nested(depth))).toThrow(`nests deeper than ${DEPTH_MAX}`);
    }
    expect(() => parseJson('{"a":'.repeat(500_000))).toThrow('nests deeper');
  });
});

describe('a body', () => {
  it('that is none is undefined, as is white space', () => {
    expect(parseJson('')).toBeUndefined();
    expect(parseJson(' \n')).toBeUndefined();
  });

  it('that is no JSON, or has a prototype, is refused in one line', () => {
    expect(() => parseJson('{"a"\n1}')).toThrow(/^the body is not valid JSON: .+$/);
    expect(() => parseJson('{"policy": {"__proto__": {"policy": "rss"}}}')).toThrow('"__proto__"');
    expect(parseJson('{"a": "__proto__"}')).toEqual({ a: '__proto__' });
  });
});
