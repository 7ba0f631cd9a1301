/**
 * Traffic across the topology, and what came of it.
 *
 * Promise: frames are counted by the interfaces themselves, so that no receiver costs the forwarder anything. Rates
 * are taken over a window inside the generator's run; loss over the whole run, after everything has drained.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { idleNs } from './cpu.js';
import { benchSource, programFolder } from './folder.js';
import { Child, runChild } from './process.js';
import { DIRECT_ADDRESS, FORWARDER_CPU, GENERATOR_CPU, SINK_ADDRESS, type Topology } from './topology.js';

/** The programs of bench/tools, built on demand: the paced generator, and the sink that takes the time. */
async function tools(): Promise<{ paced: string; sink: string }> {
  const build = pathToFileURL(benchSource('tools/build.mjs')).href;
  const { tool } = (await import(build)) as { tool(name: string, folder: string): string };
  const folder = programFolder();
  return { paced: tool('pktgen', folder), sink: tool('pktsink', folder) };
}

/** The generator for full rates: it makes three times as many frames as one that sends each by itself. */
export function blastProgram(): string {
  const path = join(programFolder(), 'blast');
  const options = ['-std=c++20', '-O2', '-o', path, benchSource('lab/blast.cc')];
  execFileSync(process.env.CXX ?? 'c++', options, { stdio: ['ignore', 'ignore', 'inherit'] });
  return path;
}

/** Paths of the traffic programs. */
export interface Generators {
  readonly paced: string;
  readonly blast: string;
  readonly sink: string;
}

export async function buildGenerators(): Promise<Generators> {
  return { ...(await tools()), blast: blastProgram() };
}

export interface TrialOptions {
  readonly generator: Generators;
  /** Frames a second, or null for as many as the generator can. */
  readonly rate: number | null;
  /** Of evenly spaced frames; default 64. */
  readonly flows?: number;
  /** In bursts of 64 instead of evenly; always so at full rate. */
  readonly bursts?: boolean;
  readonly seconds: number;
  /** Past the forwarder, over the direct link. */
  readonly direct?: boolean;
  /** Called when the window opens: what it starts must end with the window. */
  readonly during?: () => Promise<void>;
}

export interface Trial {
  /** Frames a second that entered the first link, and that reached the sink, in the window. */
  readonly offered: number;
  readonly received: number;
  /** Of the whole run. */
  readonly sent: number;
  readonly arrived: number;
  readonly lost: number;
  /** Share of the forwarder's core that was not idle in the window. */
  readonly coreShare: number;
}

/** Parts of a run that are not measured: start, and the rest while things drain. */
const WARM_MS = 150;

/** One run of the generator. */
export async function trial(topology: Topology, options: TrialOptions): Promise<Trial> {
  const { rate, seconds, direct = false, flows = 64 } = options;
  const out = direct ? 'g1' : 'g0';
  const sink = direct ? 's1' : 's0';
  const sent = () => topology.counters('generator', out).txPackets;
  const arrived = () => topology.counters('sink', sink).rxPackets;
  const before = { sent: sent(), arrived: arrived() };
  const duration = String(seconds + (2 * WARM_MS) / 1000);
  const bursts = rate === null || options.bursts === true;
  const command = bursts
    ? [options.generator.blast, out, duration, ...(rate === null ? [] : [String(Math.round(rate))])]
    : [options.generator.paced, '--interface', out, '--flows', String(flows), '--duration', duration];
  if (!bursts) command.push('--size', '60', '--rate', String(Math.round(rate)));
  // The kernel cuts the bursts into frames only for an interface that cannot do it itself.
  if (bursts) topology.segmentation(out, false);
  const child = new Child('generator', command, {
    namespace: topology.names.generator,
    cpus: String(GENERATOR_CPU),
  });
  try {
    // The first frame, not the fork, starts the clock.
    while (sent() === before.sent && child.code === undefined) await sleep(2);
    await sleep(WARM_MS);
    const from = { at: performance.now(), sent: sent(), arrived: arrived(), idle: idleNs(FORWARDER_CPU) };
    if (options.during !== undefined) await options.during();
    const left = seconds * 1000 - (performance.now() - from.at);
    if (left > 0) await sleep(left);
    const to = { at: performance.now(), sent: sent(), arrived: arrived(), idle: idleNs(FORWARDER_CPU) };
    await child.done();
    const total = await settled(arrived);
    const window = (to.at - from.at) / 1000;
    const whole = { sent: sent() - before.sent, arrived: total - before.arrived };
    return {
      offered: (to.sent - from.sent) / window,
      received: (to.arrived - from.arrived) / window,
      ...whole,
      lost: Math.max(0, whole.sent - whole.arrived),
      coreShare: Math.min(1, Math.max(0, 1 - (to.idle - from.idle) / (window * 1e9))),
    };
  } finally {
    child.kill();
    await child.ended;
    if (bursts) topology.segmentation(out, true);
  }
}

/** The value of a counter once it has stood still for 60 ms. */
async function settled(read: () => number): Promise<number> {
  let last = read();
  for (let still = 0, looks = 0; still < 6 && looks < 200; looks++) {
    await sleep(10);
    const now = read();
    still = now === last ? still + 1 : 0;
    last = now;
  }
  return last;
}

/**
 * The highest rate without loss (RFC 2544 section 26.1, with short trials): bisection between 0 and `ceiling`
 * until the bracket is 3 % of the ceiling. `tolerated` is the share of frames that may be lost (0 = throughput,
 * 0.005 = what others call the partial drop rate).
 */
export async function throughput(
  topology: Topology,
  options: Omit<TrialOptions, 'rate'>,
  ceiling: number,
  tolerated = 0,
): Promise<number> {
  let low = 0;
  let high = ceiling;
  let best = 0;
  while (high - low > 0.03 * ceiling) {
    const rate = (low + high) / 2;
    const result = await trial(topology, { ...options, rate, bursts: true });
    // A generator that does not keep up has not offered the rate.
    if (result.lost <= tolerated * result.sent) {
      low = rate;
      best = Math.max(best, Math.min(rate, result.offered));
      if (result.offered < 0.95 * rate) break;
    } else high = rate;
  }
  return best;
}

export interface Stream {
  readonly bitsPerSecond: number;
  readonly retransmits: number;
}

/** One TCP stream by iperf3: both ends where the scheduler wants them. */
export async function tcpStream(topology: Topology, seconds: number): Promise<Stream> {
  const server = new Child(
    'iperf3 server',
    ['iperf3', '--server', '--one-off', '--forceflush', '--bind', SINK_ADDRESS],
    {
      namespace: topology.names.sink,
    },
  );
  try {
    await server.until(/Server listening/);
    const command = [
      'iperf3',
      '--client',
      SINK_ADDRESS,
      '--time',
      String(seconds),
      '--omit',
      '0.3',
      '--json',
    ];
    const text = await runChild('iperf3 client', ['timeout', String(seconds + 10), ...command], {
      namespace: topology.names.generator,
    });
    const end = (JSON.parse(text) as IperfReport).end;
    return { bitsPerSecond: end.sum_received.bits_per_second, retransmits: end.sum_sent.retransmits };
  } finally {
    server.kill();
    await server.ended;
  }
}

interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly retransmits: number };
    readonly sum_received: { readonly bits_per_second: number };
  };
}

/** Round-trip times of echo requests at 1000 a second, in nanoseconds; lost ones are missing. */
export async function pings(topology: Topology, count: number, direct = false): Promise<number[]> {
  const target = direct ? DIRECT_ADDRESS : SINK_ADDRESS;
  const deadline = String(Math.ceil(count / 1000) + 2);
  const text = await runChild(
    'ping',
    ['sh', '-c', `ping -n -i 0.001 -c ${count} -w ${deadline} ${target} || true`],
    {
      namespace: topology.names.generator,
      cpus: String(GENERATOR_CPU),
    },
  );
  const times = [...text.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1e6);
  if (times.length < count / 2) throw new Error(`ping: ${times.length} of ${count} answered`);
  return times;
}

/** One-way latency from the generator to the sink's packet socket, in nanoseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly frames: number;
  readonly lost: number;
}

/** Shortest UDP frame that carries a time stamp. */
const TIMED_BYTES = 62;

/**
 * One-way latency at a constant rate: the generator puts the time into each frame, the sink's kernel stamps its
 * arrival; both read the same clock. Single frames, evenly spaced. The sink's socket is paid for by the forwarder's
 * core, as its stack is.
 */
export async function latency(
  topology: Topology,
  options: Pick<TrialOptions, 'generator' | 'seconds' | 'direct'> & { readonly rate: number },
): Promise<Latency> {
  const { direct = false } = options;
  const sink = new Child(
    'sink',
    [options.generator.sink, '--interface', direct ? 's1' : 's0', '--mode', 'ring', '--idle-ms', '300'],
    { namespace: topology.names.sink, cpus: String(GENERATOR_CPU) },
  );
  try {
    await sink.until(/^ready$/m);
    const command = [options.generator.paced, '--interface', direct ? 'g1' : 'g0', '--flows', '64'];
    command.push('--size', String(TIMED_BYTES), '--rate', String(Math.round(options.rate)));
    command.push('--duration', String(options.seconds));
    await runChild('generator', command, {
      namespace: topology.names.generator,
      cpus: String(GENERATOR_CPU),
    });
    const report = JSON.parse(await sink.done()) as {
      readonly lost: number;
      readonly latencyNs: { readonly [name: string]: number } | null;
    };
    if (report.latencyNs === null) throw new Error('latency: no frame arrived');
    const { p50, p99, p999, count } = report.latencyNs;
    return { p50: p50!, p99: p99!, p999: p999!, frames: count!, lost: report.lost };
  } finally {
    sink.kill();
    await sink.ended;
  }
}
