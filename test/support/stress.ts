/**
 * Sequence-numbered flows through a switch whose configuration never rests (`live-driver.mjs`):
 *
 *   generator ── p0 (AF_PACKET, 4 receive queues) ┐
 *        sink ── p1 (AF_PACKET)                   ┼ switch, and a TAP that comes and goes
 *   t0 (TAP; a generator and a sink on it)        ┘
 *
 * Half of the frames go from the generator to the TAP, half from the TAP to the sink, so that each kind of port is
 * received from and sent to. One CPU receives at p0, since the generator may move to another one; what leaves the switch
 * goes to whatever CPU receives it, and the sinks judge.
 */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { tool } from '../../bench/tools/build.mjs';
import type { Lab } from './lab.js';
import { WHOLE } from './matrix.js';
import { SLOW } from './slow.js';
import { expectConservation, type Summary } from './summary.js';
import { type Generated, generate, type Settings, type Sunk, startSink } from './traffic.js';

const DRIVER = fileURLToPath(new URL('live-driver.mjs', import.meta.url));

/** Guests behind the TAP and behind p1: 8 each. */
const ON_TAP = '02:00:00:00:01:01';
const ON_VETH = '02:00:00:00:02:01';
const NOBODY = '02:00:00:00:00:99';
const GUESTS = 8;
/** Flows of the second direction count from here. */
const SECOND = 10_000;

export interface StressOptions {
  readonly order: 'strict' | 'round-robin' | 'none' | 'linux';
  readonly seed: number;
  /** Frames a second in each direction. */
  readonly rate: number;
  /** Flows in each direction. */
  readonly flows: number;
  /** Frames of one flow behind each other; default 1. */
  readonly burst?: number;
  /** Runs so long; `late` = until the ledger has seen 50 frames out of order; or until all these kinds of changes were made. */
  readonly until: { readonly seconds: number } | { readonly changes: readonly string[] } | 'late';
  /** Longest rest between two changes; default 20 ms. */
  readonly restMs?: number;
}

export interface StressOutcome {
  readonly summary: Summary & { ports: { removed?: boolean }[] };
  /** Changes made, by kind. */
  readonly changes: Record<string, number>;
  readonly refused: string[];
  readonly failure: string | null;
  /** Of both directions. */
  readonly sent: number;
  readonly sinks: readonly Sunk[];
  /** At the sinks. */
  readonly reordered: number;
  readonly lost: number;
  /** Frames that somebody has counted as dropped: switch, devices, sinks' sockets. */
  readonly counted: number;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Longest run of a generator that waits for something to happen. */
const LONGEST_SECONDS = 120;

/** One run. Conservation is checked. */
export async function stress(lab: Lab, options: StressOptions): Promise<StressOutcome> {
  const { order, seed, rate, flows, until, burst = 1, restMs = 20 } = options;
  const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
  await lab.veth(from, 'g0', ns, 'p0');
  await lab.veth(ns, 'p1', to, 's0');
  const driver = lab.start(
    ...([ns, 'node', DRIVER] as const),
    JSON.stringify({
      ports: ['a=af_packet:p0,queues=4', 'b=af_packet:p1', 'c=tap:t0'],
      follow: ['b', 'c'],
      extra: 'x=tap:x0,queues=2',
      workers: 2,
      maxWorkers: 4,
      ...{ seed, order, restMs },
      ...(until !== 'late' && 'changes' in until ? { changes: until.changes, least: WHOLE ? 100 : 40 } : {}),
    }),
  );
  await driver.line(/^ready$/m);
  await lab.exec(ns, 'sh', '-c', 'echo 1 | tee /sys/class/net/p0/queues/rx-*/rps_cpus');
  // The switch learns where the guests are, by frames to nobody that reach all.
  const first = { packets: GUESTS, flows: GUESTS, sources: GUESTS, 'dst-mac': NOBODY };
  await generate(lab, ns, { ...first, interface: 't0', 'src-mac': ON_TAP });
  await generate(lab, to, { ...first, interface: 's0', 'src-mac': ON_VETH });
  await expect
    .poll(() => lab.statistic(from, 'g0', 'rx_packets'), { timeout: 60_000 * SLOW, interval: 20 })
    .toBeGreaterThanOrEqual(2 * GUESTS);

  // Each sink looks at its own direction: a frame to a guest that the switch does not know (yet) reaches both.
  const sinks = [
    await startSink(lab, ns, { interface: 't0', 'max-flows': flows }),
    await startSink(lab, to, { interface: 's0', 'max-flows': flows, 'first-flow': SECOND }),
  ];
  const duration = until !== 'late' && 'seconds' in until ? until.seconds : LONGEST_SECONDS;
  const common: Settings = { flows, burst, guests: GUESTS, rate, duration, size: 100 };
  const generators = [
    { ns: from, settings: { ...common, interface: 'g0', 'dst-mac': ON_TAP, 'src-mac': '02:00:00:00:03:01' } },
    {
      ns,
      settings: {
        ...common,
        ...{ interface: 't0', 'dst-mac': ON_VETH, 'src-mac': ON_TAP, sources: GUESTS, 'first-flow': SECOND },
      },
    },
  ].map(({ ns: space, settings }) =>
    lab.start(
      ...([space, tool('pktgen')] as const),
      ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, `${value}`]),
    ),
  );
  if (until === 'late' || 'changes' in until) {
    await driver.line(until === 'late' ? /^late$/m : /^changed$/m, LONGEST_SECONDS * 1000);
    for (const generator of generators) generator.signal('SIGTERM');
  }
  const sent = await Promise.all(
    generators.map(async (generator) => {
      await generator.finish(duration * 1000 + 30_000);
      await generator.expectExit(0);
      return JSON.parse(generator.stdout) as Generated;
    }),
  );
  // Changes end, and whatever has arrived is taken. What was sent into a device meets its far end soon after.
  driver.signal('SIGUSR2');
  await driver.line(/^rest$/m);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const seen = await Promise.all(sinks.map((sink) => sink.stop()));
  await driver.stop('SIGINT');
  await driver.expectExit(0);
  const told = JSON.parse(driver.stdout.replace(/^(ready|late|changed|rest)\n/gm, '')) as Pick<
    StressOutcome,
    'summary' | 'changes' | 'refused' | 'failure'
  >;
  expectConservation(told.summary);
  const { dropped, copiesDropped } = told.summary.totals;
  return {
    ...told,
    sent: sum(sent.map((one) => one.sent)),
    sinks: seen,
    reordered: sum(seen.map((one) => one.reordered.packets + one.late)),
    lost: sum(seen.map((one) => one.lost)),
    counted:
      sum(Object.values(dropped)) +
      copiesDropped +
      sum(told.summary.ports.map(({ rx }) => rx.kernelDrops)) +
      sum(seen.map((one) => one.kernelDrops + one.rxDropped)) +
      // What a device refused was sent again.
      sum(sent.map((one) => Math.max(0, one.txDropped - one.rejected))),
  };
}

/** What must be true of a run under strict order. */
export function expectStrict(outcome: StressOutcome): void {
  const { summary, sinks, sent } = outcome;
  const context = JSON.stringify(outcome);
  expect(outcome.failure, context).toBeNull();
  expect(summary.order, context).toBe('strict');
  expect(outcome.reordered, context).toBe(0);
  expect(summary.totals.reordered, context).toBe(0);
  expect(sum(sinks.map((sink) => sink.duplicates)), context).toBe(0);
  expect(outcome.lost, context).toBeLessThanOrEqual(outcome.counted);
  expect(sum(sinks.map((sink) => sink.unique)), context).toBeGreaterThan(sent / 2);
}

/** One line for people. */
export function describeStress(outcome: StressOutcome): string {
  const { summary, changes, sent, reordered, lost, counted } = outcome;
  const { totals } = summary;
  const made = Object.entries(changes).map(([kind, n]) => `${kind} ${n}`);
  const moves = `${totals.moves} flow moves`;
  return `${summary.order}: ${sent} sent, ${reordered} reordered at the sinks, ${totals.reordered} in the ledger, ${lost} lost (${counted} counted as dropped), ${moves}; changes: ${made.join(', ')}`;
}
