/** `rxsteer simulate --html`: the page is written, and nothing that the command reads is overwritten. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';

const SCENARIO = `
name: a small host
about: one guest
durationMs: 1
warmupMs: 0.2
host: { cpus: { cores: 2 } }
guests: { vm: {} }
load: [ { kind: open, rate: 100000 } ]
`;

describe('rxsteer simulate --html', () => {
  it('writes a page beside what it prints; a recording is not in the JSON', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('host.yaml'), SCENARIO);
      const args = ['simulate', path('host.yaml'), '--policy', 'rss:queues=2', '--no-limit', '--json'];
      const bare = await rxsteer(args);
      const { code, stdout, stderr } = await rxsteer([...args, '--html', path('host.html')]);
      expect([code, stderr.trim()]).toEqual([0, `report: ${path('host.html')}`]);
      expect(stdout).toBe(bare.stdout);
      const html = readFileSync(path('host.html'), 'utf8');
      expect(html).toContain('<h1>a small host</h1>');
      expect(html).toContain('class="class-heat"');
      expect(html).toContain(JSON.parse(stdout).digest);
      expect(html).toContain('<dt>costs</dt><dd>modern</dd>');
    });
  });

  it('refuses to overwrite its scenario before it simulates', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('host.yaml'), SCENARIO);
      const { code, stderr } = await rxsteer(['simulate', path('host.yaml'), '--html', path('host.yaml')]);
      expect(code).not.toBe(0);
      expect(stderr).toContain('would be overwritten');
      expect(readFileSync(path('host.yaml'), 'utf8')).toBe(SCENARIO);
    });
  });
});
