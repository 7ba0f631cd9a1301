/**
 * One visit to one forwarder: start it, measure, stop it.
 *
 * Promise: whatever happens, the forwarder is stopped before this returns. Everything measured goes into `Samples`
 * under the forwarder's name.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Samples } from '../runner.js';
import { percentile } from '../stats.js';
import { processNs } from './cpu.js';
import { Disturbance } from './disturbance.js';
import type { Forwarder, Running } from './forwarder.js';
import { FORWARDER_CPU, GENERATOR_CPU, type Topology } from './topology.js';
import { type Generators, latency, pings, tcpStream, throughput, trial } from './traffic.js';

/** Lengths of the measurements. */
export interface Durations {
  readonly rateSeconds: number;
  readonly searchSeconds: number;
  readonly tcpSeconds: number;
  readonly latencySeconds: number;
  readonly pings: number;
  readonly idleSeconds: number;
  readonly halfSeconds: number;
  readonly profileSeconds: number;
}

export const FULL: Durations = {
  rateSeconds: 1.5,
  searchSeconds: 0.6,
  tcpSeconds: 2,
  latencySeconds: 2,
  pings: 2000,
  idleSeconds: 5,
  halfSeconds: 10,
  profileSeconds: 2,
};

export const QUICK: Durations = {
  rateSeconds: 0.8,
  searchSeconds: 0.3,
  tcpSeconds: 1,
  latencySeconds: 0.8,
  pings: 500,
  idleSeconds: 2,
  halfSeconds: 3,
  profileSeconds: 1,
};

export const LIGHT_LOAD = 50_000;
/** A disturbed measurement is repeated so often. */
const REPEATS = 2;
/** Share of frames that a partial drop rate tolerates, as FD.io's CSIT has it. */
const PARTIAL_DROP = 0.005;

export class Visit {
  constructor(
    readonly topology: Topology,
    readonly forwarder: Forwarder,
    readonly running: Running,
    private readonly generator: Generators,
    private readonly durations: Durations,
    private readonly samples: Samples,
    private readonly disturbances: string[] = [],
  ) {}

  /**
   * Runs a measurement, and again where the machine gave a CPU to somebody else meanwhile; the last one counts in any case,
   * and what happened is noted.
   */
  private async undisturbed<T>(what: string, run: () => Promise<T>): Promise<T> {
    for (let left = REPEATS; ; left--) {
      const watch = new Disturbance([GENERATOR_CPU, FORWARDER_CPU], this.running.pid);
      const result = await run();
      const why = watch.since();
      if (why === '') return result;
      this.disturbances.push(`${this.forwarder.name}, ${what}: ${why}${left > 0 ? '' : ' (kept)'}`);
      if (left === 0) return result;
    }
  }

  private add(measure: string, value: number): void {
    this.samples.add(this.forwarder.name, measure, value);
  }

  /** CPU time of the forwarder's process over a while, in cores; NaN where there is no process. */
  private async processShare(seconds: number): Promise<number> {
    const { pid } = this.running;
    const from = { at: performance.now(), ns: pid === null ? 0 : processNs(pid) };
    await sleep(seconds * 1000);
    if (pid === null) return Number.NaN;
    return (processNs(pid) - from.ns) / ((performance.now() - from.at) * 1e6);
  }

  /** As many 60-byte frames as the generator can. */
  async rate(): Promise<void> {
    const { generator, durations } = this;
    const seconds = durations.rateSeconds;
    let share = Number.NaN;
    const during = async () => {
      share = await this.processShare(seconds);
    };
    const result = await this.undisturbed('rate', () =>
      trial(this.topology, { generator, rate: null, seconds, during }),
    );
    this.add('rate', result.received);
    this.add('offered', result.offered);
    this.add('loss', result.lost / Math.max(1, result.sent));
    // Of the process where there is one: the core may have other work too.
    const busy = Number.isFinite(share) ? share : result.coreShare;
    this.add('frameNs', (busy * 1e9) / Math.max(1, result.received));
  }

  /**
   * The highest rates without loss (RFC 2544 throughput, "NDR") and with at most 0.5 % ("PDR"), each by a search that
   * starts below `ceiling`; then the one-way latency at half of the former.
   */
  async throughput(ceiling: number): Promise<void> {
    const { generator, durations } = this;
    const options = { generator, seconds: durations.searchSeconds };
    const pdr = await throughput(this.topology, options, ceiling, PARTIAL_DROP);
    if (pdr > 0) this.add('pdr', pdr);
    const ndr = await throughput(this.topology, options, ceiling);
    // A search that found no rate is no sample of a rate; the loss at full rate tells the story.
    if (ndr === 0) return;
    this.add('zeroLoss', ndr);
    const times = await latency(this.topology, {
      generator,
      rate: ndr / 2,
      seconds: durations.latencySeconds,
    });
    this.add('latency50', times.p50);
    this.add('latency99', times.p99);
    this.add('latency999', times.p999);
    this.add('latencyLoss', times.lost / Math.max(1, times.frames + times.lost));
  }

  /** The former of them alone. */
  async zeroLoss(ceiling: number): Promise<void> {
    const { generator, durations } = this;
    const ndr = await throughput(this.topology, { generator, seconds: durations.searchSeconds }, ceiling);
    if (ndr > 0) this.add('zeroLoss', ndr);
  }

  async tcp(): Promise<void> {
    const stream = await tcpStream(this.topology, this.durations.tcpSeconds);
    this.add('tcp', stream.bitsPerSecond);
    this.add('retransmits', stream.retransmits);
  }

  async ping(): Promise<void> {
    const times = await this.undisturbed('ping', () => pings(this.topology, this.durations.pings));
    this.add('pingMedian', percentile(times, 0.5));
    this.add('pingP99', percentile(times, 0.99));
  }

  /** CPU time without traffic: of the process, in cores. @param restMs what starting up, or traffic, leaves is not idling */
  async idle(restMs = 500): Promise<void> {
    if (this.running.pid === null) return;
    await sleep(restMs);
    this.add('idle', await this.processShare(this.durations.idleSeconds));
  }

  /** CPU time at a light load: of the process, and of the forwarder's core as a whole. */
  async light(): Promise<void> {
    const { generator, durations, running } = this;
    const seconds = durations.rateSeconds;
    let share = Number.NaN;
    const during = async () => {
      share = await this.processShare(seconds);
    };
    const result = await this.undisturbed('light load', () =>
      trial(this.topology, { generator, rate: LIGHT_LOAD, seconds, during }),
    );
    if (running.pid !== null) this.add('light', share);
    this.add('lightCore', result.coreShare);
  }

  /** Share of frames lost at a constant rate for a longer time. */
  async lossAt(measure: string, rate: number, seconds: number): Promise<number> {
    const result = await trial(this.topology, { generator: this.generator, rate, seconds });
    const loss = result.lost / Math.max(1, result.sent);
    this.add(measure, loss);
    return loss;
  }
}

/** Starts the forwarder, lets `measure` work with it, stops it. */
export async function visit(
  topology: Topology,
  forwarder: Forwarder,
  context: { generator: Generators; durations: Durations; samples: Samples; disturbances?: string[] },
  measure: (visit: Visit) => Promise<void>,
): Promise<void> {
  topology.offloads(forwarder.offloads);
  const running = await forwarder.start(topology);
  let failed = true;
  try {
    const it = new Visit(
      topology,
      forwarder,
      running,
      context.generator,
      context.durations,
      context.samples,
      context.disturbances,
    );
    // Caches, just-in-time compilation, flow caches: what a forwarder does in its first moment is not its rate.
    await trial(topology, { generator: context.generator, rate: null, seconds: 0.3 });
    await measure(it);
    failed = false;
  } finally {
    // An error of the measurement counts more than one of the end.
    await (failed ? running.stop().catch(() => {}) : running.stop());
  }
}
