/**
 * A host of 128 CPUs and 2000 interrupts: what reading it takes.
 *
 * Timings on a busy machine mean little, so CPU time of the program is held against a bound, and its memory.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeHost } from './fake-host.js';

const main = fileURLToPath(import.meta.resolve('#rxsteer/cli/main.js'));
const root = mkdtempSync(join(tmpdir(), 'rxsteer-large-'));
const CPUS = 128;
const INTERRUPTS = 2000;

afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeAll(() => {
  const host = new FakeHost(CPUS, 2);
  for (let nic = 0; nic < 4; nic++)
    host.nic(`eth${nic}`, { queues: 64, firstIrq: 100 + 64 * nic, driver: 'mlx5_core' });
  for (let irq = 1000; host.interrupts.length < INTERRUPTS; irq++)
    host.irq(irq, `nvme${irq >> 7}q${irq & 127}`, irq % CPUS);
  host.source();
  for (const [path, text] of host.files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const [path, target] of host.links) symlinkSync(target, join(root, path));
}, 60_000);

/** Runs the program and asks the kernel what it took. */
const PROBE = `
import { runProgram } from ${JSON.stringify(main.replace(/main\.js$/, 'program.js'))};
const before = process.cpuUsage();
const code = await runProgram(process.argv.slice(2));
const { user, system } = process.cpuUsage(before);
process.stderr.write(JSON.stringify({ code, ms: (user + system) / 1000, megabytes: process.resourceUsage().maxRSS / 1024 }));
`;

describe('a host with 128 CPUs and 2000 interrupts', () => {
  it('is read in little time and memory', () => {
    const probe = join(root, 'probe.mjs');
    writeFileSync(probe, PROBE);
    const run = () =>
      JSON.parse(
        execFileSync(
          'sh',
          [
            '-c',
            'exec "$0" "$@" 2>&1 >/dev/null',
            process.execPath,
            probe,
            'doctor',
            '--root',
            root,
            '--json',
          ],
          {
            encoding: 'utf8',
          },
        ),
      ) as { code: number; ms: number; megabytes: number };
    const runs = [run(), run(), run()];
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    // The best of three: a neighbour on the core costs the others.
    expect(Math.min(...runs.map(({ ms }) => ms))).toBeLessThan(2000);
    expect(Math.min(...runs.map(({ megabytes }) => megabytes))).toBeLessThan(100);
  }, 60_000);
});
