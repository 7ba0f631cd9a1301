/** Bars beside each other, and the pages made of them. */
import { describe, expect, it } from 'vitest';
import { benchPage } from '#rxsteer/cli/bench-page.js';
import { horizontalBars } from '#rxsteer/report/horizontal.js';

const widths = (svg: string) =>
  [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));

describe('horizontal bars', () => {
  it('are as long as their figures, from 0', () => {
    const svg = horizontalBars('time', [
      { name: 'a', value: 10, text: '10 ns' },
      { name: 'b', value: 20, text: '20 ns' },
      { name: 'c', value: 0, text: '0 ns' },
    ]);
    const [a, b, c] = widths(svg);
    expect(b).toBeCloseTo(2 * a!, 1);
    expect(c).toBe(0);
    expect(svg).toContain('aria-label="time: most b with 20 ns, least c with 0 ns."');
  });

  it('leave room for intervals, and make no markup of names', () => {
    const svg = horizontalBars('x', [{ name: '<b>&"', value: 1, text: '1', interval: [0.5, 4] }]);
    expect(svg).toContain('&lt;b&gt;&amp;&quot;');
    const line = /<line class="even" x1="([\d.]+)" x2="([\d.]+)"/.exec(svg)!;
    expect(Number(line[2]) - 250).toBeCloseTo(8 * (Number(line[1]) - 250), 0);
    expect(Number(line[2])).toBeLessThanOrEqual(720);
    expect(horizontalBars('x', [])).toContain('nothing was measured');
  });

  it('make a page of a report of benchmarks', () => {
    const result = {
      suite: 's',
      name: 'one',
      value: 5,
      unit: 'Mpps',
      nsPerOp: 200,
      ci95: [190, 210] as const,
    };
    const share = {
      ...result,
      name: 'two',
      unit: '% of a core',
      nsPerOp: null,
      value: 42,
      ci95: [40, 44] as const,
    };
    const ratio = { name: 'one / two', value: 0.5, ci95: [0.4, 0.6] as const, wanted: '<= 1', holds: true };
    const report = {
      machine: { cpu: 'X<Y' },
      results: [result, share],
      ratios: [ratio],
      notes: [],
      failures: ['gone'],
    };
    const html = benchPage(report, {});
    for (const text of [
      's: nanoseconds each',
      '200 ns',
      's: % of a core',
      '42 % of a core',
      'X&lt;Y',
      '0.4 to 0.6',
      'gone',
    ]) {
      expect(html).toContain(text);
    }
  });
});
