/**
 * Everything at once, for SOAK_EVERYTHING_MINUTES (default 30): sequence-checked traffic between two guests while
 * policies, tables and workers change, other guests come and go (veths and TAPs, with and without a word before), all
 * of them hostile (random frames, virtio-net headers that say anything, floods of addresses), and workers die. The
 * sink, which shares no code with the program, judges order and loss; memory and descriptors must not grow.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import { UserError } from '#rxsteer/errors.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { canForward } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { type Scenario, startScenario } from '../support/scenario.js';
import { generate, startSink } from '../support/traffic.js';

const { SOAK_EVERYTHING_MINUTES = '30', SOAK_SEED = '1' } = process.env;
const SECONDS = Number(SOAK_EVERYTHING_MINUTES) * 60;
const RATE = 10_000;
const HOSTILE = new URL('../support/hostile-guest.mjs', import.meta.url).pathname;
/** Resident memory may grow by so much after the warm-up. */
const SLACK_MB = 48;
/** Descriptors that a change, or the end of one, may have open just now. */
const SLACK_FDS = 4;
const POLICIES = ['rss', 'rss:queues=2,key=random,seed=7', 'mac', 'rps:cpus=0-1', 'mac-hash', 'rfs:cpus=0-1'];
/** Each worker dies again and again, somewhere else in its loop, some thousand bursts after it was started. */
const FAULTS = 'transmit@0:40000+/drain@1:60000+';

interface Sample {
  readonly megabytes: number;
  readonly descriptors: number;
}

function sample(pid: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    megabytes: Number(/^VmRSS:\s*(\d+)/m.exec(status)![1]) / 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** A request; what the forwarder turns down is no failure of it. True where it was done. */
async function request(socket: string, route: string, body: object): Promise<boolean> {
  try {
    await ask(socket, 'POST', route, body);
    return true;
  } catch (error) {
    if (error instanceof UserError || /a change is being made/.test((error as Error).message)) return false;
    throw error;
  }
}

/** A hostile guest comes, does what it does, and goes: its port first, or its interface. */
async function visit(
  lab: Lab,
  scenario: Scenario,
  socket: string,
  random: SeededRandom,
  n: number,
): Promise<void> {
  const isTap = random.below(2) === 0;
  const port = `x${n}`;
  const guest = await lab.namespace();
  if (!isTap) await lab.veth(scenario.ns, port, guest, 'e0');
  const added = await request(socket, '/port', {
    action: 'add',
    port: `${port}=${isTap ? 'tap' : 'af_packet'}:${port}`,
  });
  const [ns, link] = isTap ? [scenario.ns, port] : [guest, 'e0'];
  if (added) {
    const hostile = lab.start(ns, process.execPath, HOSTILE, link, `${random.next()}`);
    await hostile.line(/^ready$/m);
    await new Promise((resolve) => setTimeout(resolve, 500 + random.below(1500)));
    if (!isTap && random.below(2) === 0) await lab.exec(scenario.ns, 'ip', 'link', 'del', port);
    await hostile.stop('SIGTERM');
    await hostile.expectExit(0);
    expect(await request(socket, '/port', { action: 'remove', name: port })).toBe(true);
  }
  // The last one's namespace goes with the lab.
  if (!isTap && (await lab.links(scenario.ns)).includes(port)) {
    await lab.exec(scenario.ns, 'ip', 'link', 'del', port);
  }
}

/** One change of what steers, or a look that costs. */
async function change(socket: string, random: SeededRandom): Promise<void> {
  switch (random.below(6)) {
    case 0:
      await request(
        socket,
        '/worker',
        random.below(2) === 0 ? { action: 'add' } : { action: 'remove', id: 2 },
      );
      return;
    case 1:
      await request(socket, '/rollback', {});
      return;
    case 2:
      await request(socket, '/trace', { n: 5, timeoutMs: 200 });
      return;
    default:
      await request(socket, '/apply', { policy: POLICIES[random.below(POLICIES.length)]! });
  }
}

describe.skipIf(!canForward())('everything at once', () => {
  it('loses nothing uncounted, reorders nothing, and does not grow', async () => {
    const folder = mkdtempSync(join(tmpdir(), `rxsteer-test-${process.pid}-`));
    const socket = join(folder, 'c.sock');
    const random = new SeededRandom(Number(SOAK_SEED));
    try {
      await withLab(async (lab) => {
        const scenario = await startScenario(lab, {
          ports: ['veth', 'veth'],
          mode: 'switch',
          policy: 'rss',
          workers: 2,
          orderly: true,
          addresses: false,
          flags: ['--control', socket, '--max-workers', '3', '--rebalance', 'auto', '--fault', FAULTS],
        });
        const [sender, receiver] = scenario.guests;
        const { pid } = scenario.forwarder.process;
        const sink = await startSink(lab, receiver!.ns, { interface: 'g0', 'idle-ms': 3000 });
        const traffic = {
          interface: 'g0',
          flows: 256,
          rate: RATE,
          duration: SECONDS,
          'dst-mac': receiver!.mac,
        };
        let over = false;
        const sent = generate(lab, sender!.ns, traffic, SECONDS * 1000 + 60_000).finally(() => {
          over = true;
        });
        const samples: Sample[] = [];
        let visits = 0;
        let changes = 0;
        while (!over) {
          await visit(lab, scenario, socket, random, visits++ % 100);
          for (let i = 0; i < 4; i++, changes++) await change(socket, random);
          // Nobody visits now: what is open and in use is what always is.
          await request(socket, '/worker', { action: 'remove', id: 2 });
          samples.push(sample(pid));
        }
        const { sent: frames } = await sent;
        const seen = await sink.finish();
        const summary = await scenario.finish();
        const { dropped: reasons, copiesDropped, reordered } = summary.totals;
        // What can befall good frames; what only hostile ones can be is no excuse. The sink never speaks, so its frames
        // are flooded, and one that fails there while it arrives at another guest is a copy that was dropped.
        const { backlog, txFull, portDown, workerDied, hold } = reasons;
        const dropped = backlog + txFull + portDown + workerDied + hold + copiesDropped;
        const kernelDrops = summary.ports
          .filter(({ name }) => name === 'p0' || name === 'p1')
          .reduce((sum, port) => sum + port.rx.kernelDrops, 0);
        const steady = samples.slice(Math.ceil(samples.length / 4));
        const third = Math.ceil(steady.length / 3);
        const grown = (of: (s: Sample) => number) =>
          median(steady.slice(-third).map(of)) - median(steady.slice(0, third).map(of));
        const figures = {
          ...{ frames, seen: seen.checked, lost: seen.lost, late: seen.reordered.packets, reordered },
          ...{ duplicates: seen.duplicates, dropped: reasons, copiesDropped, kernelDrops, visits, changes },
          ...{ megabytes: grown((s) => s.megabytes), descriptors: grown((s) => s.descriptors) },
        };
        console.log(JSON.stringify(figures));
        expect(seen.reordered.packets).toBe(0);
        expect(seen.duplicates).toBe(0);
        expect(reordered).toBe(0);
        // Whatever is missing at the sink has been counted somewhere.
        expect(seen.lost).toBeLessThanOrEqual(dropped + kernelDrops + seen.kernelDrops + seen.rxDropped);
        expect(figures.megabytes).toBeLessThan(SLACK_MB);
        expect(figures.descriptors).toBeLessThanOrEqual(SLACK_FDS);
        // They did die.
        expect(scenario.forwarder.process.stderr).toMatch(/worker \d died/);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
