/** The page of a simulation: what is in it, and that nothing else is. */
import { describe, expect, test } from 'vitest';
import { renderSimulationReport } from '#rxsteer/report/index.js';
import { simulationResult } from './simulation-fixture.js';

const result = simulationResult();
const html = renderSimulationReport(result, { costs: 'modern', about: 'Flow <steering>' });
const count = (pattern: RegExp) => html.match(pattern)?.length ?? 0;

describe('the page of a simulation', () => {
  test('says what was simulated and how it compares', () => {
    expect(html).toContain('<h1>two guests</h1>');
    expect(html).toContain('Flow &lt;steering&gt;');
    expect(html).toContain(result.digest);
    for (const { policy, throughput } of result.results) {
      expect(html).toContain(`<code>${policy}</code>`);
      expect(html).toContain(Math.round(throughput.value).toLocaleString('en-US'));
    }
    expect(html).toMatch(/least CPU: <code>mac:stage=nic,assign=follow-cpu<\/code>/);
  });

  test('draws policies to one scale: the widest bar is that of the most CPU', () => {
    const widths = [
      ...html.matchAll(/<div class="gauge" role="img" aria-label="[^"]* CPUs[^"]*">(.*?)<\/div>/g),
    ].map(([, bar]) =>
      [...bar!.matchAll(/width:([\d.]+)%/g)].reduce((sum, [, width]) => sum + Number(width), 0),
    );
    expect(widths).toHaveLength(2);
    const shares = result.results.map(({ cpu }) => cpu.busyShare);
    const most = Math.max(...shares);
    for (const [i, width] of widths.entries()) expect(width).toBeCloseTo((100 * shares[i]!) / most, 0);
  });

  test('has for each policy a heat map with a layer for each class, and the way of a packet', () => {
    expect(count(/class="class-heat"/g)).toBe(2);
    expect(count(/class="layer layer-all"/g)).toBe(2);
    expect(count(/class="layer layer-vhost"/g)).toBe(2);
    expect(count(/<figure class="packet">/g)).toBe(2);
    const { cpus, spans } = result.results[1]!.recording!.path!;
    expect(html).toContain(`${cpus.map((cpu) => `CPU ${cpu}`).join(' → ')}`);
    expect(html).toContain(`All ${spans.length} steps`);
  });

  test('names the limit and what was tried', () => {
    const { limit } = result.results[0]!;
    expect(html).toContain(`<strong>The limit: ${limit!.name}</strong>`);
    expect(html).toContain(`All ${limit!.tried.length} suspects that were doubled`);
  });

  test('needs nothing from outside, and every picture has a text', () => {
    expect(html).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(count(/<svg(?![^>]*aria-label="[^"]+")/g)).toBe(0);
    expect(html).toContain("default-src 'none'");
  });

  test('without a recording it has neither heat map nor packet', () => {
    const bare = renderSimulationReport({
      ...result,
      results: result.results.map(({ recording: _, ...one }) => one),
    });
    expect(bare).not.toContain('class="class-heat"');
    expect(bare).not.toContain('id="paths"');
    expect(bare).toContain('<caption>CPUs</caption>');
  });

  test('changes while it ran are told, and only where there were some', () => {
    expect(html).not.toContain('<h3>Changes</h3>');
    const changes = [{ atMs: 2, method: 'table' as const, steps: 3, words: ['3 of <128> buckets', 'more'] }];
    const [first] = result.results;
    const changed = renderSimulationReport({ ...result, results: [{ ...first!, changes, rebalanced: 7 }] });
    expect(changed).toContain('<li>at 2 ms (table): 3 of &lt;128&gt; buckets; more</li>');
    expect(changed).toContain('the rebalancer moved 7');
  });

  test('published figures stand beside, and only where there are some', () => {
    expect(html).not.toContain('published CPU');
    const published = { value: 139_000, cpu: 0.17, source: 'a <table>' };
    const [first, second] = result.results;
    const beside = renderSimulationReport({ ...result, results: [{ ...first!, published }, second!] });
    expect(beside).toContain('139,000');
    expect(beside).toContain('Published: a &lt;table&gt;');
  });
});
