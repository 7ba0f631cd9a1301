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
import { FakeHost } from '../host/fake-host.js';

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

/** Asks the kernel at the end what the program took. */
const PROBE = `
process.on('exit', (code) => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  process.stderr.write(JSON.stringify({ code, ms: (userCPUTime + systemCPUTime) / 1000, megabytes: maxRSS / 1024 }));
});
`;

interface Taken {
  readonly code: number;
  readonly ms: number;
  readonly megabytes: number;
}

/** What `node WORDS` takes: the best of three, since a neighbour on the core costs the others. */
function taken(...words: readonly string[]): Taken {
  const probe = join(root, 'probe.mjs');
  writeFileSync(probe, PROBE);
  const script = 'exec "$0" "$@" 2>&1 >/dev/null';
  const runs = [1, 2, 3].map(
    () =>
      JSON.parse(
        execFileSync('sh', ['-c', script, process.execPath, '--import', probe, ...words], {
          encoding: 'utf8',
        }),
      ) as Taken,
  );
  const least = (name: 'ms' | 'megabytes') => Math.min(...runs.map((run) => run[name]));
  return { code: Math.max(...runs.map(({ code }) => code)), ms: least('ms'), megabytes: least('megabytes') };
}

describe('a host with 128 CPUs and 2000 interrupts', () => {
  it('is read in a second and 60 MB, of which Node itself takes 40', () => {
    const doctor = taken(main, 'doctor', '--root', root, '--json');
    const node = taken('-e', '0');
    expect(doctor.code).toBe(0);
    expect(doctor.ms).toBeLessThan(2000);
    // Later versions of Node take more for each module.
    const isMeasured = /^v20\./.test(process.version);
    expect(doctor.megabytes - node.megabytes).toBeLessThan(isMeasured ? 18 : 32);
    if (isMeasured) expect(doctor.megabytes).toBeLessThan(60);
  }, 60_000);
});
