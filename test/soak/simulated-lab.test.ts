/**
 * The simulator held against the forwarder on this machine: calibrates, runs the demo's lab live and simulated, and
 * prints CPU, hand-offs, wake-ups and lock waits of a packet under each policy, both ways.
 *
 * Live figures are those of forwarders that run: the difference of two looks, so that neither starting nor compiling is
 * in them. What depends on the policy alone (hand-offs, wake-ups) must agree. A virtual machine may change its speed by
 * half within a minute and not tell, so CPU is compared where both sides saw the same machine: under one worker with
 * what the calibration itself measured of the demo as a whole, and every other policy with one worker just before it,
 * medians of several rounds. Times decide nothing unless RXSTEER_QUIET=1 says that the machine does nothing else: then
 * CPU must agree within 15 %, in absolute figures too. RXSTEER_COSTS=FILE takes a calibration (`--calibrate --json`) that was made before.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { ForwarderChild } from '#rxsteer/cli/child.js';
import { announce, build, forwarderArguments } from '#rxsteer/cli/demo-lab.js';
import { POLICIES } from '#rxsteer/cli/demo-report.js';
import { Lab, labProblem } from '#rxsteer/cli/lab.js';
import { ask } from '#rxsteer/control/client.js';
import type { Summary } from '#rxsteer/dataplane/engine/summary.js';
import type { RunResult } from '#rxsteer/simulate/result/result.js';
import { CLI } from '../support/forwarder.js';

const problem = labProblem();
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const isQuiet = process.env.RXSTEER_QUIET === '1';
/** The demo's traffic, without its end. */
const SOURCE = 'src=memory:source,flows=64,guests=4,rate=25000,burst=32';
const SETTLE_MS = 1200;
const LOOK_MS = 1500;
const ROUNDS = 3;
/** Waits for a lock, of a packet: each costs less than a packet does, so that ten of them are a hundredth of its CPU. */
const MOST_WAITS = 0.015;

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
  /** CPU of each worker. */
  readonly workers: readonly number[];
  /** Sleeps of the workers. */
  readonly sleeps: number;
}

/** Of a packet, between two looks at a forwarder. */
function between(before: Summary, after: Summary): Figures {
  const received = after.totals.received - before.totals.received;
  const by = (of: (worker: Summary['workers'][number]) => number) =>
    after.workers.map((worker, w) => (of(worker) - of(before.workers[w]!)) / received);
  const sum = (of: Parameters<typeof by>[0]) => by(of).reduce((a, b) => a + b, 0);
  const cpu = by(({ cpuMs }) => (cpuMs ?? 0) * 1000);
  return {
    cpuUs: cpu.reduce((a, b) => a + b, 0),
    workers: cpu,
    handOffs: sum(({ handedOff }) => handedOff),
    wakeups: sum(({ wakeupsSent }) => wakeupsSent),
    lockWaits: sum(({ txLock }) => txLock.contended),
    sleeps: sum(({ sleeps }) => sleeps),
  };
}

/** The demo's lab under one policy, while it runs. */
async function live(lab: Lab, place: ReturnType<typeof build>, policy: string, n: number): Promise<Figures> {
  const socket = join(folder, `${n}.sock`);
  const forwarder = new ForwarderChild(place.host, [...forwarderArguments(policy), '--control', socket]);
  let generator: ForwarderChild | null = null;
  try {
    await forwarder.ready();
    announce(lab, place.host, place.guests);
    const ports = ['--port', SOURCE, '--port', 'out=af_packet:u0', '--policy', 'single'];
    generator = new ForwarderChild(place.uplink, [...ports, '--no-warm-up', '--no-control']);
    await generator.ready();
    await sleep(SETTLE_MS);
    const before = await ask<Summary>(socket, 'GET', '/stats');
    await sleep(LOOK_MS);
    return between(before, await ask<Summary>(socket, 'GET', '/stats'));
  } finally {
    generator?.kill();
    forwarder.kill();
    await Promise.all([generator?.gone, forwarder.gone]);
  }
}

/** The same of the two workers' CPUs in a simulation of so many milliseconds. */
function simulated({ cpus, throughput, perPacket, locks }: RunResult, virtualMs: number): Figures {
  const workers = cpus.slice(0, 2).map(({ busyShare }) => (1e6 * busyShare) / throughput.value);
  return {
    cpuUs: workers[0]! + workers[1]!,
    workers,
    handOffs: perPacket.handOffs,
    wakeups: perPacket.ipis,
    lockWaits: locks.reduce((sum, { waits }) => sum + waits, 0) / ((throughput.value * virtualMs) / 1000),
    sleeps: perPacket.interrupts,
  };
}

/** `5.01 / 5.20 (+4 %)`: live, simulated. */
function both(a: number, b: number): string {
  const by = a === 0 ? '' : ` (${b >= a ? '+' : ''}${((100 * b) / a - 100).toFixed(0)} %)`;
  return `${a.toPrecision(3)} / ${b.toPrecision(3)}${by}`;
}

const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

/** Medians of each figure. */
function typical(all: readonly Figures[]): Figures {
  const of = (get: (one: Figures) => number) => median(all.map(get));
  return {
    cpuUs: of(({ cpuUs }) => cpuUs),
    handOffs: of(({ handOffs }) => handOffs),
    wakeups: of(({ wakeups }) => wakeups),
    lockWaits: of(({ lockWaits }) => lockWaits),
    workers: [0, 1].map((w) => of(({ workers }) => workers[w]!)),
    sleeps: of(({ sleeps }) => sleeps),
  };
}

/** A calibration of now, or the given one; and its file of costs. */
async function calibration(): Promise<{ costs: string; demoUs: number; machine: string }> {
  const costs = join(folder, 'costs.yaml');
  const given = process.env.RXSTEER_COSTS;
  const found =
    given === undefined
      ? await rxsteer('simulate', '--calibrate', costs, '--json')
      : JSON.parse(readFileSync(given, 'utf8'));
  if (given !== undefined) writeFileSync(costs, JSON.stringify(found.costs));
  const whole = found.measurements.find(({ name }: { name: string }) => name === 'demoBurst');
  console.log(found.machine, JSON.stringify(found.costs), 'disturbed', JSON.stringify(found.disturbed));
  return { costs, demoUs: whole.median / 32_000, machine: found.machine };
}

it.skipIf(problem !== '')(
  'simulates the demo as it is measured here, and prints both',
  async () => {
    const { costs, demoUs } = await calibration();
    const args = ['simulate', 'rxsteer-lab/demo', '--no-limit', '--json', '--costs', costs];
    const { results, virtualMs } = (await rxsteer(...args)) as { results: RunResult[]; virtualMs: number };
    const kind = (policy: string) => policy.split(':')[0]!;
    const lab = new Lab();
    const seen = new Map<string, Figures[]>(POLICIES.map((policy) => [policy, []]));
    /** CPU over that of one worker just before. */
    const ratios = new Map<string, number[]>(POLICIES.map((policy) => [policy, []]));
    try {
      const place = build(lab);
      let n = 0;
      for (let round = 0; round < ROUNDS; round++) {
        for (const [at, policy] of POLICIES.entries()) {
          // Every second one has one worker beside it.
          if (at % 2 === 0) seen.get('single')!.push(await live(lab, place, 'single', n++));
          if (policy === 'single') continue;
          const figures = await live(lab, place, policy, n++);
          seen.get(policy)!.push(figures);
          ratios.get(policy)!.push(figures.cpuUs / seen.get('single')!.at(-1)!.cpuUs);
        }
      }
    } finally {
      lab.close();
    }
    const simulations = new Map(
      POLICIES.map((policy) => {
        const beside = results.find((result) => kind(result.policy) === kind(policy))!;
        return [policy, simulated(beside, virtualMs)] as const;
      }),
    );
    const alone = simulations.get('single')!.cpuUs;
    console.log(`single, while it was calibrated: CPU us ${both(demoUs, alone)} (live / simulated)`);
    for (const policy of POLICIES) {
      const a = typical(seen.get(policy)!);
      const b = simulations.get(policy)!;
      const [[a0, a1], [b0, b1]] = [a.workers, b.workers];
      const ratio =
        policy === 'single' ? '' : `over single ${both(median(ratios.get(policy)!), b.cpuUs / alone)}, `;
      console.log(
        `${policy.padEnd(14)} ${ratio}CPU us ${both(a.cpuUs, b.cpuUs)}, worker 0 ${both(a0!, b0!)}, worker 1 ${both(a1!, b1!)}, ` +
          `hand-offs ${both(a.handOffs, b.handOffs)}, wake-ups ${both(a.wakeups, b.wakeups)}, ` +
          `lock waits ${both(a.lockWaits, b.lockWaits)}, sleeps ${a.sleeps.toPrecision(3)} (live / simulated)`,
      );
    }
    if (isQuiet) expect(Math.abs(alone / demoUs - 1), 'single').toBeLessThan(0.15);
    for (const policy of POLICIES) {
      const a = typical(seen.get(policy)!);
      const b = simulations.get(policy)!;
      expect(Math.abs(a.handOffs - b.handOffs), policy).toBeLessThan(0.15);
      expect(b.cpuUs).toBeGreaterThan(0);
      if (!isQuiet) continue;
      expect(Math.abs(a.wakeups - b.wakeups), policy).toBeLessThan(0.005);
      expect(Math.abs(a.lockWaits - b.lockWaits), policy).toBeLessThan(MOST_WAITS);
      // As it was seen here, whatever the machine did meanwhile.
      expect(Math.abs(b.cpuUs / a.cpuUs - 1), `${policy}, absolute`).toBeLessThan(0.15);
      if (policy === 'single') continue;
      const ratio = b.cpuUs / alone / median(ratios.get(policy)!);
      expect(Math.abs(ratio - 1), policy).toBeLessThan(0.15);
    }
  },
  600_000,
);
