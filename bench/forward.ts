/**
 * Suite `forward`: what this program does with real frames between real (virtual) interfaces.
 *
 * Needs root and, for one TCP stream, iperf3. The generator is pinned to one core, the forwarder to another.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { requireLab } from '#rxsteer/cli/lab.js';
import { UserError } from '#rxsteer/errors.js';
import { busiestThread, threadTimes } from './lab/cpu.js';
import { cpuShares } from './lab/profile.js';
import { hasProgram, missingProgram } from './lab/programs.js';
import { Topology } from './lab/topology.js';
import { buildGenerators, type Generators, pings, trial } from './lab/traffic.js';
import { FULL, LIGHT_LOAD, QUICK, type Visit, visit } from './lab/visit.js';
import { rxsteer } from './peers/rxsteer.js';
import {
  type BenchOptions,
  demandOn,
  present,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';
import { median, percentile } from './stats.js';

/** A rate counts as the forwarder's own only where the generator could have done so much more. */
export const CAPACITY_FACTOR = 1.5;
/** Where more than this share of the offered frames arrives, the forwarder was not at its limit. */
const NOTHING_LOST = 0.98;
/** What RFC 8204 calls this set-up. */
export const DEPLOYMENT = 'set-up: PHY2PHY in the terms of RFC 8204, with veth pairs for the physical ports';
/** Name under which what needs no forwarder is kept: the generator, the direct link. */
export const DIRECT = 'direct';

/** Checks what both forwarding suites need. Throws UserError. */
export function requireForwarding(): void {
  requireLab();
  const problem = missingProgram('forwarding', {
    setpriv: 'util-linux',
    taskset: 'util-linux',
    ping: 'iputils-ping',
    ethtool: 'ethtool',
  });
  if (problem !== null) throw new UserError(problem);
  const ours = rxsteer.missing();
  if (ours !== null) throw new UserError(ours);
}

/** What the machine can do without any forwarder: once a round. */
export async function measureDirect(
  topology: Topology,
  generator: Generators,
  samples: Samples,
  durations: typeof FULL,
): Promise<void> {
  const result = await trial(topology, {
    generator,
    rate: null,
    seconds: durations.rateSeconds,
    direct: true,
  });
  samples.add(DIRECT, 'capacity', result.received);
  const times = await pings(topology, durations.pings, true);
  samples.add(DIRECT, 'pingMedian', percentile(times, 0.5));
  samples.add(DIRECT, 'pingP99', percentile(times, 0.99));
}

/** Why a rate does not count as the forwarder's own, or null. */
export function capacityNote(samples: Samples, name: string): string | null {
  const rate = median(samples.of(name, 'rate'));
  const capacity = median(samples.of(DIRECT, 'capacity'));
  if (capacity < CAPACITY_FACTOR * rate) {
    const kpps = Math.round(capacity / 1000);
    return `generator-bound: capacity ${kpps} kpps is below ${CAPACITY_FACTOR} x the rate; compare the CPU time a frame`;
  }
  if (rate > NOTHING_LOST * median(samples.of(name, 'offered'))) {
    return 'generator-bound: nearly all that was offered arrived; compare the CPU time a frame';
  }
  return null;
}

/** Ping time added by the forwarder, round by round, in nanoseconds. */
export function added(samples: Samples, name: string, measure: string): number[] {
  const direct = samples.of(DIRECT, measure);
  return samples.of(name, measure).map((value, round) => value - (direct[round] ?? median(direct)));
}

/** The results that both suites report of a forwarder. */
export function commonResults(suite: string, samples: Samples, name: string) {
  const kilo = (measure: string) => samples.of(name, measure).map((value) => value / 1000);
  const result = (measure: string, label: string, quantity: Parameters<typeof resultOf>[3], unit: string) =>
    resultOf(suite, `${name}/${label}`, samples.of(name, measure), quantity, unit);
  const loss = median(samples.of(name, 'loss'));
  const offered = median(kilo('offered'));
  const note = `offered ${offered.toFixed(0)} kpps, ${(100 * loss).toFixed(1)} % lost`;
  return present([
    resultOf(suite, `${name}/60-byte frames`, samples.of(name, 'rate'), 'perSecond', 'pps', note),
    result('frameNs', 'CPU time a frame at full rate', 'nanoseconds', 'ns'),
    result('zeroLoss', '60-byte frames, zero loss (NDR)', 'perSecond', 'pps'),
    result('pdr', '60-byte frames, 0.5 % loss (PDR)', 'perSecond', 'pps'),
    ...(['50', '99', '999'] as const).map((p) =>
      result(`latency${p}`, `latency at half of NDR, p${p === '999' ? '99.9' : p}`, 'nanoseconds', 'ns'),
    ),
    resultOf(
      suite,
      `${name}/tcp stream`,
      samples.of(name, 'tcp'),
      'perSecond',
      'bit/s',
      `${median(samples.of(name, 'retransmits'))} retransmits`,
    ),
    resultOf(suite, `${name}/ping added, median`, added(samples, name, 'pingMedian'), 'nanoseconds', 'ns'),
    resultOf(suite, `${name}/ping added, p99`, added(samples, name, 'pingP99'), 'nanoseconds', 'ns'),
    result('idle', 'idle', 'share', 'cores'),
    result('light', `process at ${LIGHT_LOAD / 1000} kpps`, 'share', 'cores'),
    result('lightCore', `core at ${LIGHT_LOAD / 1000} kpps`, 'share', 'cores'),
  ]);
}

export function directResults(suite: string, samples: Samples) {
  return present([
    resultOf(suite, 'generator to sink, no forwarder', samples.of(DIRECT, 'capacity'), 'perSecond', 'pps'),
    resultOf(suite, 'ping, no forwarder, median', samples.of(DIRECT, 'pingMedian'), 'nanoseconds', 'ns'),
    resultOf(suite, 'ping, no forwarder, p99', samples.of(DIRECT, 'pingP99'), 'nanoseconds', 'ns'),
  ]);
}

/** Share of the forwarder's CPU time by kind of code, at full rate. */
async function profile(
  it: Visit,
  topology: Topology,
  generator: Generators,
  seconds: number,
  samples: Samples,
) {
  const pid = it.running.pid!;
  const during = async () => {
    const before = threadTimes(pid);
    await sleep(100);
    const shares = await cpuShares(busiestThread(pid, before), seconds);
    for (const kind of ['kernel', 'addon', 'library', 'javascript'] as const) {
      samples.add(rxsteer.name, kind, shares[kind]);
    }
  };
  // Longer than the recording: perf takes a moment to start.
  await trial(topology, { generator, rate: null, seconds: seconds + 1.5, during });
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireForwarding();
  const suite = 'forward';
  const durations = options.quick ? QUICK : FULL;
  const rounds = options.rounds ?? (options.quick ? 2 : 5);
  const notes: string[] = [DEPLOYMENT, `rxsteer: ${rxsteer.settings}`];
  const withTcp = hasProgram('iperf3');
  if (!withTcp) notes.push('TCP stream left out: no iperf3 (apt-get install iperf3)');
  const withPerf = hasProgram('perf');
  if (!withPerf) notes.push("JavaScript's share left out: no perf (apt-get install linux-perf)");
  const generator = await buildGenerators();
  const samples = new Samples();
  const context = { generator, durations, samples };
  let half = 0;
  const topology = await Topology.build();
  try {
    for (let round = 0; round < rounds; round++) {
      options.signal.throwIfAborted();
      options.progress(`forward: round ${round + 1} of ${rounds}`);
      await measureDirect(topology, generator, samples, durations);
      await visit(topology, rxsteer, context, async (it) => {
        await it.rate();
        await it.throughput(1.1 * samples.of(rxsteer.name, 'rate').at(-1)!);
        if (withTcp) await it.tcp();
        await it.ping();
        await it.light();
      });
    }
    options.signal.throwIfAborted();
    options.progress('forward: idle, half of the rate, profile');
    half = median(samples.of(rxsteer.name, 'rate')) / 2;
    await visit(topology, rxsteer, context, async (it) => {
      await it.idle();
      await it.lossAt('halfLoss', half, durations.halfSeconds);
      if (withPerf) await profile(it, topology, generator, durations.profileSeconds, samples);
    });
  } finally {
    topology.close();
  }
  const name = rxsteer.name;
  const rateNote = capacityNote(samples, name);
  if (rateNote !== null) notes.push(`rxsteer 60-byte frames: ${rateNote}`);
  const share = (kind: string, label: string) =>
    resultOf(suite, `${name}/CPU time at full rate: ${label}`, samples.of(name, kind), 'share', 'share');
  return {
    results: [
      ...directResults(suite, samples),
      ...commonResults(suite, samples, name),
      ...present([
        share('kernel', 'kernel'),
        share('addon', 'addon'),
        share('library', 'C library'),
        share('javascript', 'JavaScript'),
      ]),
    ],
    ratios: present([
      demandOn(
        `loss at half of the rate for ${durations.halfSeconds} s`,
        samples.of(name, 'halfLoss'),
        '<= 0',
        `${Math.round(half / 1000)} kpps`,
      ),
      demandOn(
        'ping added, median, us',
        added(samples, name, 'pingMedian').map((ns) => ns / 1000),
        '<= 100',
      ),
      demandOn('idle, share of a core', samples.of(name, 'idle'), '< 0.02'),
      demandOn(
        "JavaScript's share of CPU time at full rate",
        samples.of(name, 'javascript'),
        '< 0.15',
        'perf samples outside kernel, addon and C library: entering the addon and garbage collection included',
      ),
    ]),
    notes,
  };
}

export const forward: Suite = {
  name: 'forward',
  about: 'frames, TCP, latency and CPU time of this program between veth pairs (root)',
  run,
};
