/**
 * Suite `live`: what changing a running forwarder costs: time of an `apply`, pauses, and frames lost at 80 % of the
 * rate that it forwards without loss.
 *
 * 10,000 flows cross the forwarder, two workers under strict order that share one CPU (the generator has the other);
 * every change moves about half of the flows, by the table (no pause) or by another key (every worker pauses), and is
 * made through the control socket, as `rxsteer ctl` does. Each round has a trial without changes beside those with.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask } from '#rxsteer/control/client.js';
import type { ChangeResult } from '#rxsteer/control/controller.js';
import type { Summary } from '#rxsteer/dataplane/engine/summary.js';
import { UserError } from '#rxsteer/errors.js';
import { DEPLOYMENT, requireForwarding } from './forward.js';
import { Child } from './lab/process.js';
import { FORWARDER_CPU, Topology } from './lab/topology.js';
import { buildGenerators, type Generators, trial } from './lab/traffic.js';
import {
  abba,
  type BenchOptions,
  demandOn,
  present,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median } from './stats.js';

const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const SUITE = 'live';
const FLOWS = 10_000;
/** Share of the zero-loss rate at which nothing may be lost. */
const LOAD = 0.8;
/** Rest between two changes. */
const REST_MS = 250;
/** The search ends when the bracket is so small a share of its ceiling. */
const SEARCH_STEP = 0.05;
const SEARCH_CEILING = 400_000;

/** Policies that each trial alternates between. The first one is what runs without changes. */
const CHANGES = {
  none: [],
  table: ['rss:queues=2,weight=1+0', 'rss:queues=2'],
  key: ['rss:queues=2,key=random,seed=7', 'rss:queues=2'],
} as const;
type Kind = keyof typeof CHANGES;
const KINDS = Object.keys(CHANGES) as Kind[];

/** A forwarder with a control socket, and the way to ask it. */
class Controlled {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    readonly socket: string,
  ) {}

  static async start(topology: Topology): Promise<Controlled> {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-live-'));
    const socket = join(folder, 'control.sock');
    const flags = ['--port', 'a=af_packet:f0', '--port', 'b=af_packet:f1', '--mode', 'wire', '--json'];
    flags.push('--policy', 'rss:queues=2', '--workers', '2', '--cpus', `${FORWARDER_CPU}+${FORWARDER_CPU}`);
    flags.push('--control', socket, '--end-with-stdin');
    const command = [process.execPath, MAIN, 'forward', ...flags];
    const child = new Child('rxsteer', command, { namespace: topology.names.forwarder });
    try {
      await child.until(/^ready$/m);
    } catch (error) {
      child.kill();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return new Controlled(child, folder, socket);
  }

  apply(policy: string): Promise<ChangeResult> {
    return ask<ChangeResult>(this.socket, 'POST', '/apply', { policy });
  }

  /** Ends it; its last counters. */
  async stop(): Promise<Summary> {
    try {
      await this.child.end(null);
      if (this.child.code !== 0)
        throw new Error(`rxsteer ended with ${this.child.code}: ${this.child.gist()}`);
      return JSON.parse(this.child.stdout) as Summary;
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  kill(): void {
    this.child.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Context {
  readonly topology: Topology;
  readonly generator: Generators;
  readonly forwarder: Controlled;
  readonly samples: Samples;
}

/** The highest rate of evenly spaced frames that twice in a row loses none, by bisection. */
async function zeroLoss({ topology, generator }: Context, seconds: number): Promise<number> {
  let low = 0;
  let high = SEARCH_CEILING;
  let best = 0;
  while (high - low > SEARCH_STEP * SEARCH_CEILING) {
    const rate = (low + high) / 2;
    const options = { generator, rate, seconds, flows: FLOWS };
    const first = await trial(topology, options);
    const { lost, offered } = first.lost > 0 ? first : await trial(topology, options);
    if (lost > 0) {
      high = rate;
      continue;
    }
    low = rate;
    best = Math.max(best, Math.min(rate, offered));
    // A generator that does not keep up has not offered the rate.
    if (offered < 0.95 * rate) break;
  }
  return best;
}

/** One trial with changes of one kind all the time (or none). */
async function measure(context: Context, kind: Kind, rate: number, seconds: number): Promise<void> {
  const { topology, generator, forwarder, samples } = context;
  const policies = CHANGES[kind];
  const during = async () => {
    const end = performance.now() + seconds * 1000;
    // The census has to see the flows first.
    await sleep(2 * REST_MS);
    for (let n = 0; performance.now() + REST_MS < end && policies.length > 0; n++) {
      const start = performance.now();
      const { changes, plan } = await forwarder.apply(policies[n % policies.length]!);
      samples.add(kind, 'apply', (performance.now() - start) * 1e6);
      for (const { durationMs, pauses } of changes) {
        samples.add(kind, 'switch', durationMs * 1e6);
        for (const { ms } of pauses) samples.add(kind, 'pause', ms * 1e6);
      }
      if (plan !== null) {
        samples.add(kind, 'moved', plan.flows.moved);
        samples.add(kind, 'seen', plan.flows.seen);
      }
      await sleep(REST_MS);
    }
  };
  const result = await trial(topology, { generator, rate, seconds, flows: FLOWS, during });
  samples.add(kind, 'lost', result.lost);
  samples.add(kind, 'sent', result.sent);
}

function report(samples: Samples, zero: number, summary: Summary): SuiteReport {
  const rate = Math.round((LOAD * zero) / 1000);
  const at = `at ${rate} kpps`;
  const changing = KINDS.filter((kind) => kind !== 'none');
  const time = (kind: Kind, what: string, label: string) => {
    const moved = samples.of(kind, 'moved');
    const note = `${median(moved)} of ${median(samples.of(kind, 'seen'))} flows seen move, ${at}`;
    return resultOf(SUITE, `${kind}: ${label}`, samples.of(kind, what), 'nanoseconds', 'ns', note);
  };
  const total = (kind: Kind, what: string) => samples.of(kind, what).reduce((a, b) => a + b, 0);
  // Where frames are lost without any change, it was not the changes.
  const quiet = samples.of('none', 'lost').map((lost) => lost === 0);
  const lostQuietly = (kind: Kind) => samples.of(kind, 'lost').filter((_, round) => quiet[round]);
  const disturbed = quiet.filter((still) => !still).length;
  const { totals, ports } = summary;
  const dropped = Object.values(totals.dropped).reduce((a, b) => a + b, 0);
  const kernel = ports.reduce((sum, { rx }) => sum + rx.kernelDrops, 0);
  return {
    results: present([
      resultOf(SUITE, `zero loss, ${FLOWS} flows, two workers`, [zero], 'perSecond', 'pps'),
      ...changing.flatMap((kind) => [
        time(kind, 'apply', 'apply through the socket, plan included'),
        time(kind, 'switch', 'the change itself'),
        time(kind, 'pause', 'pause of a worker'),
      ]),
      ...KINDS.map((kind) =>
        resultOf(
          SUITE,
          `${kind}: frames lost`,
          samples.of(kind, 'lost'),
          'share',
          'frames',
          `${total(kind, 'lost')} of ${total(kind, 'sent')} ${at}, ${samples.of(kind, 'apply').length} changes`,
        ),
      ),
    ]),
    ratios: present([
      ...changing.flatMap((kind) => {
        const times = samples.of(kind, 'apply').map((ns) => ns / 1e9);
        return [
          demandOn(`${SUITE}: slowest apply by ${kind}, s`, times.length ? [Math.max(...times)] : [], '< 1'),
          demandOn(
            `${SUITE}: frames lost with changes by ${kind}, all trials`,
            quiet.includes(true) ? [lostQuietly(kind).reduce((a, b) => a + b, 0)] : [],
            '<= 0',
            at,
          ),
        ];
      }),
      demandOn(`${SUITE}: reordered`, [totals.reordered], '<= 0'),
    ]),
    notes: [
      DEPLOYMENT,
      `${SUITE}: frames lost: ${disturbed} of ${quiet.length} rounds left out, because frames were lost without changes too`,
      `${SUITE}: the forwarder counted ${dropped} frames dropped and ${kernel} in the kernel over all trials of its last start, the search above zero loss included`,
    ],
  };
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireForwarding();
  const rounds = options.rounds ?? (options.quick ? 3 : 15);
  const seconds = options.quick ? 2 : 3;
  const generator = await buildGenerators();
  const samples = new Samples();
  const topology = await Topology.build();
  try {
    const forwarder = await Controlled.start(topology);
    try {
      const context = { topology, generator, forwarder, samples };
      // Caches, just-in-time compilation, and neither direction knows the flows yet.
      await trial(topology, { generator, rate: 50_000, seconds: 1, flows: FLOWS });
      options.progress(`${SUITE}: zero-loss rate`);
      const zero = await zeroLoss(context, seconds);
      if (zero === 0)
        throw new UserError(`${SUITE}: no rate is forwarded without loss: other programs have the CPUs`);
      for (const [round, order] of abba(KINDS, rounds).entries()) {
        for (const kind of order) {
          options.signal.throwIfAborted();
          options.progress(`${SUITE}: round ${round + 1} of ${rounds}, ${kind}`);
          await measure(context, kind, LOAD * zero, seconds);
        }
      }
      return report(samples, zero, await forwarder.stop());
    } finally {
      forwarder.kill();
    }
  } finally {
    topology.close();
  }
}

export const live: Suite = {
  name: SUITE,
  about: 'changes of a running forwarder: time, pauses, frames lost at 80 % of zero loss (root)',
  run,
};
