/** What runs in the background gives way, and nothing else does. */
import { getPriority, setPriority } from 'node:os';
import { describe, expect, it } from 'vitest';
import { inBackground } from '#rxsteer/control/background.js';

/** May we take our own priority back? */
function mayRaise(): boolean {
  const normal = getPriority(0);
  try {
    setPriority(0, normal - 1);
    setPriority(0, normal);
    return true;
  } catch {
    return false;
  }
}

describe('inBackground', () => {
  it('runs at low priority where that can be taken back, and returns to the old one also after an error', () => {
    const normal = getPriority(0);
    const expected = mayRaise() ? Math.max(normal, 10) : normal;
    expect(inBackground(() => getPriority(0))).toBe(expected);
    expect(getPriority(0)).toBe(normal);
    expect(() =>
      inBackground(() => {
        throw new Error('as asked');
      }),
    ).toThrow('as asked');
    expect(getPriority(0)).toBe(normal);
  });
});
