/** `forward --metrics` and `--metrics-file`: from before the ports are open to the final counts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { samplesOf } from '../observe/kit.js';
import { rxsteer as here } from './run.js';
import { endAll, rxsteer, start, UNPRIVILEGED } from './run-cli.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-metrics-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const PORTS = ['--port', 'a=memory:source,rate=2000', '--port', 'b=memory:sink'];

describe('metrics of a forwarder', () => {
  it('are shown while it runs, and its last ones stay in the file', async () => {
    const file = join(folder, 'rxsteer.prom');
    const config = join(folder, 'forward.yaml');
    writeFileSync(config, `metrics: 0\nmetricsFile: ${file}\n`);
    const forwarder = start(['forward', ...PORTS, '--no-control', '--config', config]);
    await expect.poll(() => forwarder.stderr, { timeout: 25_000 }).toContain('metrics: http://127.0.0.1:');
    const url = /metrics: (\S+)/.exec(forwarder.stderr)![1]!;
    const received = async () =>
      samplesOf(await (await fetch(url)).text()).get('rxsteer_received_packets_total');
    await expect.poll(received, { timeout: 25_000 }).toBeGreaterThan(0);
    forwarder.signal('SIGINT');
    const { code } = await forwarder.finish(25_000);
    expect(code).toBe(0);
    const last = samplesOf(readFileSync(file, 'utf8'));
    const told = Number(/received\s+([\d,]+)/.exec(forwarder.stdout)![1]!.replaceAll(',', ''));
    expect(last.get('rxsteer_received_packets_total')).toBe(told);
    expect(last.get('rxsteer_in_flight_packets')).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  }, 90_000);

  it.each([
    [
      ['--metrics', 'nowhere:1'],
      'rxsteer: --metrics nowhere:1: expected PORT, ADDRESS:PORT or [ADDRESS]:PORT',
    ],
    [
      ['--metrics', '203.0.113.1:9464'],
      'rxsteer: --metrics http://203.0.113.1:9464: this machine has no such address',
    ],
    [
      ['--metrics-file', 'x.txt'],
      'rxsteer: --metrics-file x.txt: node_exporter reads files that end in .prom',
    ],
    [
      ['--metrics-file', '/nowhere/x.prom'],
      'rxsteer: --metrics-file /nowhere/x.prom: there is no folder /nowhere',
    ],
  ])(
    '%j is refused before a port is open',
    async (flags, line) => {
      const { code, stderr } = await here(['forward', ...PORTS, '--no-control', ...flags]);
      expect([code, stderr.split('\n').filter((text) => text.includes('--metrics')).length]).toEqual([2, 1]);
      expect(stderr).toContain(line);
      expect(stderr).not.toContain('ready');
    },
    60_000,
  );

  it.skipIf(process.getuid?.() !== 0).each([
    [['--metrics-file', '/usr/x.prom'], 'rxsteer: --metrics-file /usr/x.prom: EACCES: '],
    [['--metrics', '80'], 'rxsteer: --metrics http://127.0.0.1:80: this user may not listen there'],
  ])(
    '%j is refused before a port is open to who may not',
    async (flags, line) => {
      const forwarder = ['forward', ...PORTS, '--no-control', '--duration', '0.1', ...flags];
      const { code, stderr } = await rxsteer(forwarder, { before: UNPRIVILEGED });
      expect([code, stderr]).toEqual([2, expect.stringContaining(line)]);
      expect(stderr).not.toContain('ready');
    },
    60_000,
  );
});
