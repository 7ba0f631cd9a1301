/**
 * The engine: opens ports, allocates shared memory, hosts the workers, watches links, restarts dead workers, and
 * stops in order. Runs on the main thread, which is never in the data path.
 *
 * Promise: `start` resolves when every port is open and every worker runs its loop, or throws and leaves nothing
 * open. `stop` stops receiving, lets every frame that was received be transmitted, delivered or dropped, ends the
 * workers and closes everything; afterwards no frame is in flight.
 */
import { fileURLToPath } from 'node:url';
import { FixedQueue, Piscina } from 'piscina';
import { UserError } from '../errors.js';
import { MacControl } from '../forward/mac-control.js';
import { compilePolicy, policyBytes } from '../policy/compile.js';
import { RfsSteering } from '../policy/rfs.js';
import type { Steering } from '../policy/steering.js';
import { ConsumerWatch } from './consumers.js';
import { PortCounter, portBase } from './counters.js';
import {
  allocateEngineMemory,
  attachEngine,
  type EngineMemory,
  type EnginePlan,
  type EngineViews,
  Global,
  Phase,
  WorkerState,
  WorkerWord,
} from './engine-memory.js';
import { allocateSwitching, secondsOf } from './forwarding.js';
import type { Native } from './native.js';
import { type EngineOptions, planEngine } from './plan.js';
import type { LivePort } from './ports/live.js';
import { type OpenPorts, openPorts } from './ports/open.js';
import { ringDrained } from './ring.js';
import { makeWaker, type Waker } from './sleeper.js';
import { buryWorker } from './supervisor.js';

/** The start ends when so long no further worker has reported (many workers on few CPUs take their turns). */
export const START_TIMEOUT_MS = 5000;
/** Frames are drained within this time after a stop, or the stop gives up waiting. */
const DRAIN_TIMEOUT_MS = 5000;
const POLL_MS = 2;
/** Interval of sweeping aged addresses out of the MAC table. */
const SWEEP_MS = 5000;
/** Interval of looking at links and sources. */
const WATCH_MS = 100;
/**
 * A worker that dies so often in a row, each time within `SHORT_LIFE_MS` of its last death, is not started again. A
 * streak rather than a rate: on a busy machine a doomed worker dies as surely, but slowly.
 */
const DEATHS_IN_A_ROW = 10;
const SHORT_LIFE_MS = 5000;

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits for a promise, but no longer than so; leaves no timer behind that would keep the process alive. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/**
 * A running forwarder: `await Engine.start(options)`, then `await engine.drained` (finite sources) and `await
 * engine.stop()`; `summarize(engine)` reads its counters. For the main thread; workers are threads of its own.
 */
export class Engine {
  readonly plan: EnginePlan;
  readonly memory: EngineMemory;
  readonly views: EngineViews;
  startedAt = 0;
  stoppedAt = 0;
  /** Set when a worker could not be kept running. */
  failure: Error | null = null;
  /** Where the consumers behind ports run. */
  readonly consumers: ConsumerWatch;
  private readonly steering: Steering;
  private readonly ports: OpenPorts;
  private readonly native: Native | null;
  private readonly warn: (message: string) => void;
  private readonly waker: Waker;
  private pool: Piscina | null = null;
  private readonly runs: Promise<void>[] = [];
  private readonly resets = new Map<number, number>();
  /** Ports whose last look failed, and why. */
  private readonly blind = new Map<number, string>();
  /** The switch's table, to sweep aged addresses out: they count against their port's limit until then. */
  private readonly macTable: MacControl | null;
  private sweptAt = 0;
  private watch: NodeJS.Timeout | null = null;
  private closing: { fds: number[]; epoch: number }[] = [];
  private sourcesEnded: (() => void) | null = null;
  /** Resolves when all finite sources are drained; never without any. */
  readonly drained: Promise<void>;
  /** Resolves when the engine cannot go on (see `failure`). */
  readonly failed: Promise<void>;
  private fail: () => void = () => {};

  private constructor(options: EngineOptions, ports: OpenPorts) {
    this.plan = planEngine(options, ports);
    this.ports = ports;
    this.native = ports.native;
    this.warn = options.warn;
    const policy = new SharedArrayBuffer(policyBytes(this.plan.policy));
    // An instance of the policy over the workers' shared memory, for control: the main thread steers nothing.
    this.steering = compilePolicy(this.plan.policy, {
      workers: this.plan.workers,
      ports: this.plan.ports,
      shared: policy,
      faults: 'count',
    });
    const switching = allocateSwitching(this.plan, options.switching);
    const events = this.plan.cpus.map(() => (this.native === null ? -1 : this.native.openEvent()));
    try {
      this.memory = allocateEngineMemory(this.plan, { policy, switching, events });
    } catch (error) {
      for (const event of events) if (event >= 0) this.native?.closeDescriptor(event);
      throw error;
    }
    this.views = attachEngine(this.plan, this.memory);
    this.macTable = this.plan.mode === 'switch' ? new MacControl(switching, this.plan.workers) : null;
    this.waker = makeWaker(this.native, this.views.workers, events);
    this.consumers = new ConsumerWatch(this.plan, options.ports, this.views.consumers, this.warn);
    this.consumers.adopt(this.steering);
    for (const [index, live] of ports.live) live.publish(this.views.portFds, index);
    this.drained = new Promise((resolve) => {
      this.sourcesEnded = resolve;
    });
    this.failed = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  /** Opens everything and starts the workers. Throws UserError for what the caller can mend. */
  static async start(options: EngineOptions): Promise<Engine> {
    const ports = await openPorts(options.ports, options);
    let engine: Engine | null = null;
    try {
      engine = new Engine(options, ports);
      await engine.launch();
      return engine;
    } catch (error) {
      if (engine !== null) await engine.abandon();
      ports.close();
      throw error;
    }
  }

  private async launch(): Promise<void> {
    const { plan } = this;
    this.pool = new Piscina({
      filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
      minThreads: plan.workers,
      maxThreads: plan.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      taskQueue: new FixedQueue(),
    });
    const ended: (Error | null)[] = [];
    for (let w = 0; w < plan.workers; w++) this.runs.push(this.host(w, ended));
    let most = 0;
    let deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const missing = this.views.workers.flatMap((words, w) =>
        Atomics.load(words, WorkerWord.state) === WorkerState.running ? [] : [w],
      );
      if (missing.length === 0) break;
      if (ended.length > 0) throw ended[0]!;
      // Dying again and again before all others run.
      if (this.failure !== null) throw this.failure;
      if (plan.workers - missing.length > most) {
        most = plan.workers - missing.length;
        deadline = performance.now() + START_TIMEOUT_MS;
      }
      if (performance.now() > deadline) {
        const names = missing.length > 8 ? `${missing.slice(0, 8).join(', ')} …` : missing.join(', ');
        throw new Error(`worker ${names} did not report within ${START_TIMEOUT_MS / 1000} s`);
      }
      await delay(POLL_MS);
    }
    this.startedAt = performance.now();
    this.watch = setInterval(() => this.look(), WATCH_MS);
  }

  /** Runs worker w until it ends; starts it again after each death. */
  private async host(w: number, startErrors: (Error | null)[]): Promise<void> {
    const words = this.views.workers[w]!;
    let diedAt = Number.NEGATIVE_INFINITY;
    let deaths = 0;
    for (;;) {
      try {
        const task = { plan: this.plan, memory: this.memory, worker: w };
        const complaints = (await this.pool!.run(task)) as string[];
        for (const line of complaints) this.warn(line);
        return;
      } catch (error) {
        const phase = Atomics.load(this.views.global, Global.phase);
        const ran = Atomics.load(words, WorkerWord.state) === WorkerState.running;
        if (this.startedAt === 0 && !ran) {
          startErrors.push(error as Error);
          return;
        }
        const swept = buryWorker(this.plan, this.views, this.memory, w);
        this.warn(
          `worker ${w} died (${(error as Error).message}): ${swept} frame(s) dropped as workerDied${phase === Phase.exit ? '' : ', starting it again'}`,
        );
        if (phase === Phase.exit) {
          Atomics.store(words, WorkerWord.state, WorkerState.ended);
          return;
        }
        const now = performance.now();
        deaths = now - diedAt < SHORT_LIFE_MS ? deaths + 1 : 1;
        diedAt = now;
        if (deaths > DEATHS_IN_A_ROW) {
          this.failure = new Error(`worker ${w} keeps dying: ${(error as Error).message}`);
          this.fail();
          return;
        }
      }
    }
  }

  /** Periodic: links, kernel counters, finite sources. */
  private look(): void {
    const { global, workers } = this.views;
    this.noteResets();
    this.consumers.refresh();
    for (const [index, live] of this.ports.live) {
      const { change, old } = this.checkLink(index, live);
      if (change !== 'descriptors') continue;
      live.publish(this.views.portFds, index);
      const epoch = Atomics.add(global, Global.portsEpoch, 1) + 1;
      this.closing.push({ fds: old, epoch });
      this.wakeAll();
    }
    if (this.macTable !== null && performance.now() - this.sweptAt > SWEEP_MS) {
      this.sweptAt = performance.now();
      this.macTable.sweep(secondsOf(this.plan, performance.now()));
    }
    if (this.plan.mode === 'wire') {
      const [a, b] = [this.ports.live.get(0), this.ports.live.get(1)];
      if (a !== undefined && b !== undefined) {
        a.showCarrier(b.carrier);
        b.showCarrier(a.carrier);
      }
    }
    // Old descriptors are closed once every worker has attached to the new ones.
    this.closing = this.closing.filter(({ fds, epoch }) => {
      if (workers.some((words) => ((Atomics.load(words, WorkerWord.epochSeen) - epoch) | 0) < 0)) return true;
      for (const fd of fds) this.native!.closeDescriptor(fd);
      return false;
    });
    const finite = this.plan.ports.some((port) => port.source?.finite === true);
    if (finite && workers.every((words) => Atomics.load(words, WorkerWord.sourcesDone) === 1)) {
      this.sourcesEnded?.();
    }
  }

  /** A look at a link must not end the run: what fails (no descriptor left, netlink overrun) is tried again. */
  private checkLink(index: number, live: LivePort): ReturnType<LivePort['check']> {
    try {
      const result = live.check();
      this.blind.delete(index);
      return result;
    } catch (error) {
      const { message } = error as Error;
      if (this.blind.get(index) !== message) this.warn(`port ${live.spec.name}: ${message}`);
      this.blind.set(index, message);
      return { change: 'none', old: [] };
    }
  }

  /** Warns once for every receive ring that the kernel gave up (a super-frame that virtio-net cannot express). */
  private noteResets(): void {
    for (const index of this.ports.live.keys()) {
      const at = portBase(index) + PortCounter.ringResets;
      const resets = this.views.counters.port.reduce((sum, c) => sum + c[at]!, 0);
      const seen = this.resets.get(index) ?? 0;
      if (resets === seen) continue;
      this.resets.set(index, resets);
      this.warn(
        `port ${this.plan.ports[index]!.name}: the kernel gave up the receive ring (a frame that virtio-net cannot express); it was replaced`,
      );
    }
  }

  /**
   * The application of the flow with this hash runs on `worker` now (`sock_rps_record_flow`): under policy rfs its
   * frames go there. The hash is the policy's own, as `explain` shows it. Throws UserError for a worker that does not
   * exist, and under policies that follow no flows.
   */
  recordFlow(hash: number, worker: number): void {
    this.flowPolicy('recordFlow').recordFlow(hash, worker);
  }

  /** The flow's socket was closed (`sock_rps_delete_flow`). Throws UserError under policies that follow no flows. */
  forgetFlow(hash: number): void {
    this.flowPolicy('forgetFlow').forgetFlow(hash);
  }

  private flowPolicy(what: string): RfsSteering {
    if (this.steering instanceof RfsSteering) return this.steering;
    throw new UserError(`${what}: policy ${this.steering.spec.policy} follows no flows: rfs does`);
  }

  /** Brings kernel counters up to date (statistics, summary). */
  refreshPortCounters(): void {
    for (const live of this.ports.live.values()) live.readDrops();
  }

  /** The open live port of an index; undefined for memory and capture ports. */
  live(port: number): LivePort | undefined {
    return this.ports.live.get(port);
  }

  private wakeAll(): void {
    for (let w = 0; w < this.plan.workers; w++) this.waker.wake(w);
  }

  /** Stops receiving, drains, ends the workers, closes the ports. */
  async stop(): Promise<void> {
    const { global, workers, rings } = this.views;
    if (this.watch !== null) clearInterval(this.watch);
    this.watch = null;
    Atomics.store(global, Global.phase, Phase.drain);
    await this.until(() =>
      workers.every((words) => Atomics.load(words, WorkerWord.phaseSeen) === Phase.drain),
    );
    await this.until(() => rings.every(ringDrained));
    const left = this.views.pool.inFlight();
    if (left > 0) this.warn(`${left} frame(s) were still in flight when the drain was given up`);
    Atomics.store(global, Global.phase, Phase.exit);
    this.wakeAll();
    await within(Promise.all(this.runs), DRAIN_TIMEOUT_MS);
    this.stoppedAt = performance.now();
    this.refreshPortCounters();
    await this.abandon();
    this.ports.close();
  }

  private async until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + DRAIN_TIMEOUT_MS;
    while (!done() && this.failure === null && performance.now() < deadline) {
      this.wakeAll();
      await delay(POLL_MS);
    }
  }

  /** Ends the threads. The loops are told to exit first: a thread inside a native wait cannot be terminated. */
  private async abandon(): Promise<void> {
    Atomics.store(this.views.global, Global.phase, Phase.exit);
    this.wakeAll();
    await within(Promise.all(this.runs), DRAIN_TIMEOUT_MS);
    await this.pool?.destroy();
    this.pool = null;
    for (const event of this.memory.events) if (event >= 0) this.native?.closeDescriptor(event);
    for (const { fds } of this.closing.splice(0)) for (const fd of fds) this.native?.closeDescriptor(fd);
  }
}
