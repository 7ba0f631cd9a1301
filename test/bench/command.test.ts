import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rxsteer } from '../cli/run.js';
import { inSoak } from '../support/matrix.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, 'bench', ...args], { encoding: 'utf8' });

describe('rxsteer bench', () => {
  it('lists its suites', async () => {
    const { code, stdout } = await rxsteer(['bench', '--list']);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(
      expect.arrayContaining([
        'toeplitz',
        'parse',
        'policies',
        'ring',
        'pipeline',
        'flow-vs-mac',
        'forward',
        'peers',
        'hostile',
      ]),
    );
  });

  inSoak('lists the suites as one JSON document too', () => {
    const { status, stdout } = run('--list', '--json', 'ring', 'guests/wire');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      suites: [
        { name: 'ring', about: expect.stringMatching(/rte_ring/), parts: [] },
        {
          name: 'guests',
          about: expect.any(String),
          parts: expect.arrayContaining(['rings', 'wire', 'idle']),
        },
      ],
    });
  });

  it.each([
    [['forwrad'], /unknown suite "forwrad".*forward/],
    [['guests/wir'], /unknown suite "guests\/wir": did you mean guests\/wire/],
    [['--compare', '/nonexistent', 'parse'], /--compare \/nonexistent: ENOENT/],
    [['--compare', '/dev/zero', 'parse'], /--compare \/dev\/zero: a device, not a regular file/],
    [['--rounds', '0', 'parse'], /--rounds 0: expected a whole number from 1/],
  ])('refuses %j in one line', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['bench', ...args]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim()).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  inSoak('prints one JSON document with the agreed fields', () => {
    const { status, stdout } = run('parse', '--quick', '--rounds', '1', '--json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.machine.node).toBe(process.versions.node);
    const [first] = report.results;
    expect(first).toMatchObject({ suite: 'parse', name: 'tcp-ipv4' });
    expect(first.nsPerOp).toBeGreaterThan(0);
    expect(first.opsPerSecond).toBeCloseTo(1e9 / first.nsPerOp, 3);
    expect(first.samples).toBeGreaterThanOrEqual(5);
    expect(first.ci95[0]).toBeLessThanOrEqual(first.nsPerOp);
    expect(first.ci95[1]).toBeGreaterThanOrEqual(first.nsPerOp);
    // What is compared depends on what is installed.
    for (const { name, value, ci95, wanted, holds } of report.ratios) {
      expect(name).toMatch(/ \/ /);
      expect(value).toBeGreaterThan(0);
      expect(ci95[0]).toBeLessThanOrEqual(ci95[1]);
      expect(typeof holds).toBe(wanted === null ? 'object' : 'boolean');
    }
  });
});
