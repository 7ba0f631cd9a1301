/**
 * The simulator held against the forwarder on this machine: calibrates, runs the demo's lab live and simulated, and
 * prints CPU, hand-offs, wake-ups and lock waits of a packet under each policy, both ways.
 *
 * What depends on the policy alone (hand-offs) must agree. Times are printed with the difference and decide nothing: on
 * a machine that does something else as well they are not those of this program.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import type { DemoRun } from '#rxsteer/cli/demo-report.js';
import { labProblem } from '#rxsteer/cli/lab.js';
import type { RunResult } from '#rxsteer/simulate/result/result.js';
import { CLI } from '../support/forwarder.js';

const problem = labProblem();
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = promisify(execFile);
async function rxsteer(...args: string[]) {
  const { stdout } = await run(process.execPath, [CLI, ...args], { maxBuffer: 64 << 20 });
  return JSON.parse(stdout);
}

interface Figures {
  readonly cpuUs: number;
  readonly handOffs: number;
  readonly wakeups: number;
  readonly lockWaits: number;
}

/** Of a packet, from the forwarder's own summary. */
function live({ summary }: DemoRun): Figures {
  const { received } = summary.totals;
  const each = (of: (worker: (typeof summary.workers)[number]) => number) =>
    summary.workers.reduce((sum, worker) => sum + of(worker), 0) / received;
  return {
    cpuUs: each(({ cpuMs }) => (cpuMs ?? 0) * 1000),
    handOffs: each(({ handedOff }) => handedOff),
    wakeups: each(({ wakeupsSent }) => wakeupsSent),
    lockWaits: each(({ txLock }) => txLock.contended),
  };
}

/** The same of the two workers' CPUs in a simulation. */
function simulated({ cpus, throughput, perPacket, locks }: RunResult): Figures {
  const busy = cpus.slice(0, 2).reduce((sum, { busyShare }) => sum + busyShare, 0);
  const operations = cpus.length === 0 ? 1 : throughput.value * 0.4;
  return {
    cpuUs: (1e6 * busy) / throughput.value,
    handOffs: perPacket.handOffs,
    wakeups: perPacket.ipis,
    lockWaits: locks.reduce((sum, { waits }) => sum + waits, 0) / operations,
  };
}

/** `5.01 / 5.20 (+4 %)`: live, simulated. */
function both(a: number, b: number): string {
  const by = a === 0 ? '' : ` (${b >= a ? '+' : ''}${((100 * b) / a - 100).toFixed(0)} %)`;
  return `${a.toPrecision(3)} / ${b.toPrecision(3)}${by}`;
}

it.skipIf(problem !== '')(
  'simulates the demo as it is measured here, and prints both',
  async () => {
    const costs = join(folder, 'costs.yaml');
    await rxsteer('simulate', '--calibrate', costs, '--json');
    const { runs } = (await rxsteer('demo', '--json')) as { runs: DemoRun[] };
    const args = ['simulate', 'rxsteer-lab/demo', '--no-limit', '--json'];
    const { results } = (await rxsteer(...args, '--costs', costs)) as { results: RunResult[] };
    const kind = (policy: string) => policy.split(':')[0]!;
    for (const one of runs) {
      const beside = results.find(({ policy }) => kind(policy) === kind(one.policy))!;
      const [a, b] = [live(one), simulated(beside)];
      console.log(
        `${one.policy.padEnd(14)} CPU us ${both(a.cpuUs, b.cpuUs)}, hand-offs ${both(a.handOffs, b.handOffs)}, ` +
          `wake-ups ${both(a.wakeups, b.wakeups)}, lock waits ${both(a.lockWaits, b.lockWaits)} (live / simulated)`,
      );
      expect(Math.abs(a.handOffs - b.handOffs), one.policy).toBeLessThan(0.15);
      expect(b.cpuUs).toBeGreaterThan(0);
    }
    expect(runs.length).toBeGreaterThan(0);
  },
  600_000,
);
