/** Figures as blocks. */
import { describe, expect, it } from 'vitest';
import { sparkline, squeeze } from '#rxsteer/observe/sparkline.js';

describe('a sparkline', () => {
  it('shows each figure by its height, the newest at the right', () => {
    expect(sparkline([0, 1, 4, 8], 6)).toBe('   ▁▄█');
    expect(sparkline([1, 1], 2, 4)).toBe('▂▂');
    // Something is never nothing.
    expect(sparkline([1e-9, 1], 2)).toBe('▁█');
  });

  it('takes the mean of neighbours where there is no room', () => {
    expect(squeeze([1, 3, 5, 7], 2)).toEqual([2, 6]);
    expect(sparkline(new Array(600).fill(5), 10, 5)).toBe('██████████');
  });
});
