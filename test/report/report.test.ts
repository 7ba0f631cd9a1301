import { describe, expect, test } from 'vitest';
import { compareCounted } from '#rxsteer/replay/counted.js';
import { withoutSeed } from '#rxsteer/replay/ranking.js';
import type { PolicyResult } from '#rxsteer/replay/result.js';
import { heatMap, lorenz, mergeIntervals } from '#rxsteer/report/charts.js';
import { renderReport, renderSweepReport } from '#rxsteer/report/index.js';
import { bestPolicy, rankedPolicies, usefulWorkers, whyBetter } from '#rxsteer/report/rank.js';
import { policyOf, resultOf } from './fixture.js';

/** The policy with these busy parts of its workers' time; the last one holds for the rest. */
function withBusy(policy: PolicyResult, ratios: readonly number[]): PolicyResult {
  const workers = policy.workers.map((worker, i) => ({ ...worker, busyRatio: ratios[i] ?? ratios.at(-1)! }));
  return { ...policy, workers };
}

/** Indices of the policies, best first within a number of workers. */
const rankPolicies = (policies: readonly PolicyResult[]) =>
  rankedPolicies(policies).flatMap(({ places }) => places.flatMap(({ members }) => members));

describe('which policy is best', () => {
  test('one worker with everything is no better than it is', () => {
    const single = policyOf('single', [1000, 0, 0, 0]);
    const rss = policyOf('rss', [400, 200, 200, 200]);
    expect(policyOf('single', [1000]).fullestOverFair).toBe(1);
    expect(usefulWorkers(single)).toBe(1);
    expect(usefulWorkers(rss)).toBe(2.5);
    expect(rankPolicies([single, rss])).toEqual([1, 0]);
    expect(whyBetter(rss, single)).toBe(
      'its busiest CPU is busy 40.0 % of the time, receiving included, that of single 100.0 %',
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
    expect(whyBetter(policies[3]!, policies[2]!)).toContain('receiving included');
    expect(whyBetter(policies[2]!, policies[1]!)).toBe(
      'it drops none of the packets on full backlogs, drops 1.00 %',
    );
  });

  test('receiving counts: what spreads best is not best where one CPU receives everything', () => {
    const loads = [400, 200, 200, 200];
    const rps = withBusy(policyOf('rps:cpus=0-3', [250, 250, 250, 250], { handoffsPerPacket: 0.75 }), [0.6]);
    const rss = withBusy(policyOf('rss:queues=4', loads), [0.4, 0.2]);
    expect(rankPolicies([rps, rss])).toEqual([1, 0]);
    const html = renderReport(resultOf([rps, rss]));
    expect(html).toMatch(
      /Best here: <code>rss:queues=4<\/code>.*busy 40\.0 % of the time, receiving included/,
    );
    expect(html).toContain('busiest CPU');
  });

  test('without a clock the spread of packets takes the place of the busiest CPU', () => {
    const [a, b] = [policyOf('a', [900, 100]), policyOf('b', [600, 400])].map((one) => withBusy(one, [0, 0]));
    expect(rankPolicies([a!, b!])).toEqual([1, 0]);
    expect(whyBetter(b!, a!)).toBe('it spreads the packets as if over 1.67 even workers, a over 1.11');
  });

  test('policies that differ by their seed only are one policy, judged by the mean', () => {
    const of = (text: string, busiest: number) => withBusy(policyOf(text, [500, 500]), [busiest]);
    const policies = [
      of('rss:key=random,seed=1', 0.1),
      of('rss:key=random,seed=2', 0.5),
      of('rss:key=microsoft', 0.2),
      of('rss:seed=7,key=random', 0.3),
    ];
    expect(rankPolicies(policies)).toEqual([2, 0, 1, 3]);
    const html = renderReport(resultOf(policies.filter((_, i) => i !== 2)));
    expect(html).toMatch(
      /<code>rss:key=random<\/code>.*the mean of 3 seeds \(busiest CPU from 10\.0 % to 50\.0 %\)/,
    );
    expect(html).not.toContain('Best here');
    expect(withoutSeed('rps:cpus=0-3,seed=9')).toBe('rps:cpus=0-3');
    expect(withoutSeed('rss:seed=9')).toBe('rss');
    expect(withoutSeed('{"policy":"mac-hash","seed":4}')).toBe('{"policy":"mac-hash"}');
    expect(withoutSeed('single')).toBe('single');
  });

  test('what has more workers is not better for that: like is compared with like', () => {
    const policies = [
      policyOf('rss:queues=8', [200, 200, 100, 100, 100, 100, 100, 100]),
      policyOf('rps:cpus=0-1', [500, 500], { handoffsPerPacket: 0.5 }),
      policyOf('rss:queues=2', [520, 480]),
      policyOf('single', [1000]),
      policyOf('mac', [700, 300]),
    ];
    expect(rankPolicies(policies)).toEqual([3, 1, 2, 4, 0]);
    expect(rankedPolicies(policies).map(({ workers, places }) => [workers, places.length])).toEqual([
      [1, 1],
      [2, 3],
      [8, 1],
    ]);
    // Commands are for the best of those that were compared.
    expect(bestPolicy(policies)).toBe(1);
    expect(bestPolicy(policies.slice(2, 4))).toBe(0);
    expect(bestPolicy([])).toBe(-1);
    const html = renderReport(resultOf(policies));
    expect(html).toMatch(/Best here with 2 workers: <code>rps:cpus=0-1<\/code>/);
    expect(html.match(/Best here/g)).toHaveLength(1);
    expect(html).toContain('place 1 with 8 workers');
    expect(html).toContain('Policies compared, best first for each number of workers');
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
      /Best here: <code>mac<\/code>.*its busiest CPU is busy 50\.0 % of the time, receiving included, that of rss:queues=2 90\.0 %/,
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
      '<code>a.pcap</code>, 4 workers: best is <code>two</code>: it uses 3.20 of 4 workers with seed 1, nothing reordered',
    );
    // Best first, and what reorders last, however even it is.
    const places = ['two', 'one', 'three'].map((policy) => html.lastIndexOf(`<code>${policy}</code>`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(html).toMatch(/What each value makes of the load.*queues.*1\.50.*2\.00/s);
    // Each policy is in the plot, too.
    expect(html).toMatch(
      /<svg class="spread"[^>]*aria-label="Fullest worker over its fair share, a\.pcap, 4 workers: two has 1\.25/,
    );
  });

  test('says where it comes from', () => {
    const html = renderReport(resultOf([policyOf('a', [1, 2])]), {
      files: ['in <1>.pcap', '-'],
      command: "rxsteer replay 'in <1>.pcap' --policy a",
      version: '1.2.3',
      date: new Date(Date.UTC(2024, 0, 2, 3, 4)),
    });
    for (const part of [
      'in &lt;1&gt;.pcap',
      'standard input',
      'rxsteer replay',
      'rxsteer 1.2.3, 2024-01-02 03:04 UTC',
    ])
      expect(html).toContain(part);
    expect(html).toContain('2026-03-04 05:06:07 UTC');
  });

  test('shows labels, and buckets only where there is a table of them', () => {
    const rss = policyOf('rss:nic=mlx5,queues=2', [1, 2], { label: 'mine' });
    const rps = policyOf('rps:cpus=0-1', [1, 2], { queues: [{ id: 0, packets: 3, bytes: 3, flows: 1 }] });
    const html = renderReport(resultOf([rss, rps]));
    expect(html).toContain('<strong>mine</strong> <code>rss:nic=mlx5,queues=2</code>');
    expect(html.match(/bucket of the indirection table/g)).toHaveLength(1);
  });

  test('shows what a NIC counted beside what was predicted', () => {
    const policy = policyOf('rss:queues=2', [750, 250]);
    const counted = compareCounted(policy, [
      { id: 0, packets: 500, bytes: null },
      { id: 1, packets: 500, bytes: null },
    ]);
    const html = renderReport(resultOf([{ ...policy, counted }]));
    expect(html).toContain('at least 25.0 % of them went to another queue than predicted');
    expect(html).toContain('1.50 times its fair share by prediction and 1.00 by the counters');
  });
});
