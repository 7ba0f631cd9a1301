/** `rxsteer sweep --scenario` as it is called: lines, a file that is gone on with, a page, and options that do not go. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';

const SCENARIO = `
durationMs: 0.5
warmupMs: 0.2
host: { cpus: { cores: 2 }, apps: [ { kind: echo, threads: 4 } ] }
nics: { eth0: { irqs: [0], rps: { cpus: '0' } } }
load: [ { kind: closed, clients: 8 } ]
`;

describe('rxsteer sweep --scenario', () => {
  it('gives lines, goes on with a file, ranks, and writes a page', async () => {
    await withFolder(async (path) => {
      const [file, out, html] = [path('host.yaml'), path('out.jsonl'), path('out.html')];
      writeFileSync(file, SCENARIO);
      const args = ['sweep', '--scenario', file, '--vary', 'nics.eth0.rps.cpus=0,1', '--out', out];
      const { code, stdout, stderr } = await rxsteer([...args, '--json']);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toBe(readFileSync(out, 'utf8'));
      // In the order in which they were done: the quicker thread's first.
      const lines = stdout.trimEnd().split('\n');
      const options = lines.map((line) => JSON.parse(line).options as Record<string, string>);
      expect(options.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))).toEqual([
        { 'nics.eth0.rps.cpus': '0' },
        { 'nics.eth0.rps.cpus': '1' },
      ]);
      const again = await rxsteer([...args, '--html', html]);
      expect(again.stderr).toContain('2 of 2 cells are done already');
      expect(again.stdout).toContain('nics.eth0.rps.cpus');
      expect(again.stdout).toContain('transactions/s');
      expect(readFileSync(html, 'utf8')).toContain('2 combinations, best first');
    });
  });

  it('refuses what belongs to captures, and the other way round', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('host.yaml'), SCENARIO);
      const scenario = ['sweep', '--scenario', path('host.yaml')];
      for (const [args, says] of [
        [[...scenario, 'a.pcap'], '--scenario takes no captures: leave out a.pcap'],
        [[...scenario, '--queues', '2'], '--queues: goes with captures, not with --scenario'],
        [['sweep', 'a.pcap', '--limit'], '--limit: goes with --scenario, not with captures'],
        [[...scenario, '--vary', 'nics.eth0.quues=1'], 'unknown key "quues": did you mean queues?'],
      ] as const) {
        const { code, stderr } = await rxsteer(args);
        expect(code).toBe(2);
        expect(stderr).toContain(says);
      }
    });
  });
});
