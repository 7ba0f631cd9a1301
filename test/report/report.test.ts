import { describe, expect, test } from 'vitest';
import { heatMap, lorenz, mergeIntervals } from '#rxsteer/report/charts.js';
import { renderReport, renderSweepReport } from '#rxsteer/report/index.js';
import { rankPolicies, usefulWorkers, whyBetter } from '#rxsteer/report/rank.js';
import { policyOf, resultOf } from './fixture.js';

describe('which policy is best', () => {
  test('one worker with everything is no better than it is, however even', () => {
    const single = policyOf('single', [1000]);
    const rss = policyOf('rss', [400, 200, 200, 200]);
    expect(single.fullestOverFair).toBe(1);
    expect(usefulWorkers(single)).toBe(1);
    expect(usefulWorkers(rss)).toBe(2.5);
    expect(rankPolicies([single, rss])).toEqual([1, 0]);
    expect(whyBetter(rss, single)).toBe(
      'it spreads the packets as if over 2.50 even workers, single over 1.00',
    );
  });

  test('order before drops before balance before hand-offs before wake-ups', () => {
    const even = [250, 250, 250, 250];
    const skew = [400, 200, 200, 200];
    const policies = [
      policyOf('reorders', even, { reordered: { packets: 10, ratio: 0.01, maxExtent: 3 } }),
      policyOf('drops', even, { backlogDrops: 10 }),
      policyOf('skew', skew),
      policyOf('hands off', even, { handoffsPerPacket: 0.75 }),
      policyOf('wakes', even, { wakeupsPerPacket: 0.5 }),
      policyOf('best', even),
    ];
    expect(rankPolicies(policies).map((i) => policies[i]!.policy)).toEqual([
      'best',
      'wakes',
      'hands off',
      'skew',
      'drops',
      'reorders',
    ]);
    expect(whyBetter(policies[3]!, policies[2]!)).toContain('even workers');
    expect(whyBetter(policies[2]!, policies[1]!)).toBe('it drops 0 packets on full backlogs, drops 10');
  });

  test('equals stay in the order in which they were given, and no reason is made up', () => {
    const [a, b] = [policyOf('a', [500, 500]), policyOf('b', [500, 500])];
    expect(rankPolicies([a, b])).toEqual([0, 1]);
    expect(whyBetter(a, b)).toBe('');
  });
});

describe('charts', () => {
  test('intervals are added up, none is lost', () => {
    const loads = Array.from({ length: 1000 }, (_, i) => [i, 1]);
    const { loads: merged, merged: each } = mergeIntervals(loads);
    expect(merged.length).toBeLessThanOrEqual(96);
    expect(each).toBe(11);
    expect(merged.reduce((sum, [first]) => sum + first!, 0)).toBe((999 * 1000) / 2);
    expect(merged.reduce((sum, [, second]) => sum + second!, 0)).toBe(1000);
  });

  test('their findings are there as text', () => {
    expect(
      heatMap(
        [
          [1, 9],
          [2, 8],
        ],
        1,
      ),
    ).toContain('worker 1 has most (17 packets)');
    expect(lorenz([0, 100], 0.5)).toContain('the idler half of the workers carries 0 % of the packets');
    expect(heatMap([], 1)).toContain('no usable clock');
  });
});

describe('the page', () => {
  const evil = '</script><img src=x onerror=alert(1)>"\'&';

  test('nothing from a capture or a policy becomes markup', () => {
    const policy = policyOf(evil, [1, 2], { topFlows: [{ ...policyOf('x', [1]).topFlows[0]!, flow: evil }] });
    const result = resultOf([policy, policyOf('b', [1, 2])], {
      advice: [{ id: evil, severity: 'hint', text: evil, commands: [evil] }],
      model: evil,
    });
    const html = renderReport({ ...result, capture: { ...result.capture, warnings: [evil] } });
    expect(html).not.toContain('<img src=x');
    expect(html.match(/<\/script>/g)).toHaveLength(3);
  });

  test('asks for nothing outside itself', () => {
    const html = renderReport(resultOf([policyOf('a', [1, 2])]));
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(html).not.toMatch(/@import|url\(/);
  });

  test('says who wins and why', () => {
    const html = renderReport(resultOf([policyOf('rss:queues=2', [900, 100]), policyOf('mac', [500, 500])]));
    expect(html).toMatch(
      /Best here: <code>mac<\/code>.*as if over 2\.00 even workers, rss:queues=2 over 1\.11/,
    );
  });

  test('a capture without packets, and no policy at all, still make a page', () => {
    const empty = policyOf('rss', [0, 0], {
      overTime: { intervalSeconds: 0, loads: [] },
      topFlows: [],
      buckets: [],
    });
    expect(renderReport(resultOf([empty]))).toContain('the fullest of its 2 workers has 0.00 times');
    expect(renderReport(resultOf([]))).toContain('<main');
  });

  test('a sweep names the best cell of each capture', () => {
    const row = { capture: 'a.pcap', workers: 4, seed: 1, packets: 10, gini: 0, handoffsPerPacket: 0 };
    const rest = { wakeupsPerPacket: 0, reorderedRatio: 0 };
    const html = renderSweepReport(
      [
        { ...row, ...rest, policy: 'one', fullestOverFair: 2 },
        { ...row, ...rest, policy: 'two', fullestOverFair: 1.25 },
        { ...row, ...rest, policy: 'three', fullestOverFair: 1, reorderedRatio: 0.02 },
      ],
      { axes: [{ axis: 'queues', value: '4', cells: 3, mean: 1.5, least: 1, most: 2 }] },
    );
    expect(html).toContain(
      '<code>a.pcap</code>: best is <code>two</code> with seed 1: it uses 3.20 of 4 workers (80.0 %), nothing reordered',
    );
    // Best first, and what reorders last, however even it is.
    const places = ['two', 'one', 'three'].map((policy) => html.lastIndexOf(`<code>${policy}</code>`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(html).toMatch(/What each value makes of the load.*queues.*1\.50.*2\.00/s);
  });
});
