/**
 * The engine: opens ports, allocates shared memory, hosts the workers, watches links, and stops in order. Runs on the
 * main thread, which is never in the data path. What changes while it runs is in the `change-*` files.
 *
 * Promise: `start` resolves when every port is open and every worker runs its loop, or throws and leaves nothing
 * open. `stop` stops receiving, lets every frame that was received be transmitted, delivered or dropped, ends the
 * workers and closes everything; afterwards no frame is in flight.
 */

import type { Native } from '../../addon/native.js';
import { UserError } from '../../errors.js';
import { MacControl } from '../../forward/mac-control.js';
import { policyBytes } from '../../policy/compile.js';
import { RfsSteering, type TableRewrite } from '../../policy/rfs.js';
import type { PolicySpec } from '../../policy/spec.js';
import { ringDrained } from '../memory/ring.js';
import type { LivePort } from '../ports/device.js';
import { type OpenPorts, openPorts } from '../ports/open.js';
import type { PortSpec } from '../ports/port-spec.js';
import { WorkerCounter } from '../shared/counters.js';
import {
  allocateEngineMemory,
  attachEngine,
  type EngineMemory,
  type EngineViews,
} from '../shared/engine-memory.js';
import { CensusReader } from '../shared/flow-census.js';
import { allocateSwitching, secondsNow } from '../shared/forwarding.js';
import type { EnginePlan } from '../shared/plan.js';
import type { TraceEntry, TraceOptions } from '../shared/trace.js';
import { traceDecisions } from '../shared/trace.js';
import { makeWaker } from '../shared/waker.js';
import { Global, Phase, WorkerWord } from '../shared/words.js';
import * as livePolicy from './change-policy.js';
import * as livePorts from './change-ports.js';
import * as liveWorkers from './change-workers.js';
import type { ChangeReport, LiveEngine, Owner, OwnerChange, TableChange, TableOptions } from './changes.js';
import { ConsumerWatch } from './consumers.js';
import { delay, EngineCore } from './core.js';
import { Guard, guarded } from './guarded.js';
import { Hosting } from './hosting.js';
import { LinkWatch } from './link-watch.js';
import { MoveWatch } from './move-watch.js';
import { checkNumbers, type EngineOptions, planEngine, workerCapacity } from './plan.js';
import { type PortSummary, portSummaries } from './port-summary.js';

/** The start ends when so long no further worker has reported (many workers on few CPUs take their turns). */
export const START_TIMEOUT_MS = 20_000;
/** Frames are drained within this time after a stop, or the stop gives up waiting. */
const DRAIN_TIMEOUT_MS = 5000;
const POLL_MS = 2;
/** Interval of sweeping aged addresses out of the MAC table and the owner table. */
const SWEEP_MS = 5000;
/** Interval of looking at links, consumers and sources; where none of them needs to be looked at, the longer one. */
const WATCH_MS = 100;
const QUIET_MS = 250;
/** Interval of the census windows. */
const CENSUS_MS = 1000;

/**
 * A running forwarder: `await Engine.start(options)`, then `await engine.drained` (finite sources) and `await
 * engine.stop()`; `summarize(engine)` reads its counters; `LiveEngine` says what can be changed meanwhile. For the
 * main thread; workers are threads of its own.
 */
export class Engine implements LiveEngine {
  readonly views: EngineViews;
  startedAt = 0;
  stoppedAt = 0;
  private readonly core: EngineCore;
  /** Where the consumers behind ports run. */
  readonly consumers: ConsumerWatch;
  private readonly ports: OpenPorts;
  private readonly native: Native | null;
  private readonly warn: (message: string) => void;
  private hosting: Hosting | null = null;
  private startFailure: Error | null = null;
  private readonly flowCensus: CensusReader;
  private turnedAt = 0;
  private readonly links: LinkWatch;
  /** Under which everything runs that nobody awaits. */
  private readonly guard: Guard;
  private stopped: Promise<void> | null = null;
  /** Counters of the ports at the stop: their devices and rings are gone afterwards. */
  private lastPorts: PortSummary[] | null = null;
  private lastOrder: EnginePlan['order'] | null = null;
  private readonly moveWatch: MoveWatch;
  private sweptAt = 0;
  private watch: NodeJS.Timeout | null = null;
  private sourcesEnded: (() => void) | null = null;
  /** Resolves when all finite sources are drained; never without any. */
  readonly drained: Promise<void>;
  /** Resolves when the engine cannot go on (see `failure`). */
  readonly failed: Promise<void>;
  private fail: () => void = () => {};

  private constructor(options: EngineOptions, ports: OpenPorts, plan: EnginePlan, events: readonly number[]) {
    this.ports = ports;
    this.native = ports.native;
    this.warn = options.warn;
    this.guard = new Guard(options.warn);
    const policy = new SharedArrayBuffer(policyBytes(plan.policy));
    const compiled = livePolicy.firstSteering(plan, policy);
    const switching = allocateSwitching(plan, options.switching);
    const memory = allocateEngineMemory(plan, { policy, switching, events }, options.firstNumber);
    this.views = attachEngine(plan, memory);
    this.core = new EngineCore(
      { plan, memory, steering: 1, table: null, span: plan.active },
      compiled,
      this.views,
      ports,
      makeWaker(this.native, this.views.workers, events),
      // The switch's table, to sweep aged addresses out: they count against their port's limit until then.
      plan.mode === 'switch' ? new MacControl(switching, plan.workers) : null,
      options.warn,
    );
    this.flowCensus = new CensusReader(this.views.census, this.views.ledger.slots, performance.now());
    options.ports.forEach((spec, index) => {
      this.core.specs.set(index, spec);
    });
    this.consumers = new ConsumerWatch(() => this.plan, options.ports, this.views.consumers, this.warn);
    if (options.receiveMib !== undefined) this.core.receive = { receiveMib: options.receiveMib };
    this.core.consumers = this.consumers;
    this.links = new LinkWatch(this.core, this.guard);
    this.moveWatch = new MoveWatch(
      this.core.macTable,
      (port) => this.plan.ports[port]?.name || String(port),
      this.warn,
    );
    this.consumers.adopt(compiled);
    for (const [index, live] of ports.live) live.publish(this.views.portFds, index);
    this.drained = new Promise((resolve) => {
      this.sourcesEnded = resolve;
    });
    this.failed = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  /** What all workers act by; another one after each live change. */
  get plan(): EnginePlan {
    return this.core.plan;
  }

  /** The shared memory; a change of policy replaces that of the policy. */
  get memory(): EngineMemory {
    return this.core.memory;
  }

  /** Workers that have run at any time: 0 … n-1. */
  get workersEver(): number {
    return this.core.ever;
  }

  /** Counters of all ports, those that were removed last. After the stop those of the stop. */
  portSummaries(): PortSummary[] {
    return this.lastPorts ?? portSummaries(this.core);
  }

  /** The order that is kept: that of the plan, or `none` where a port has lost it while it ran. After the stop that of the stop. */
  get order(): EnginePlan['order'] {
    return this.lastOrder ?? this.core.order;
  }

  /** Addresses that went from one port of the switch to another so far. */
  get macMoves(): number {
    return this.moveWatch.moves;
  }

  /** Set when a worker could not be kept running. */
  get failure(): Error | null {
    return this.hosting?.failure ?? this.startFailure;
  }

  /** Opens everything and starts the workers. Throws UserError for what the caller can mend. */
  static async start(given: EngineOptions): Promise<Engine> {
    checkNumbers(given);
    const options = { ...given, warn: guarded(given.warn) };
    const ports = await openPorts(options.ports, {
      workers: workerCapacity(options),
      warn: options.warn,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.receiveMib === undefined ? {} : { receiveMib: options.receiveMib }),
    });
    const events: number[] = [];
    let engine: Engine | null = null;
    try {
      options.opened?.();
      const plan = planEngine(options, ports);
      for (const _worker of plan.cpus) events.push(ports.native?.openEvent() ?? -1);
      engine = new Engine(options, ports, plan, events);
      await engine.launch();
      return engine;
    } catch (error) {
      if (engine !== null) await engine.abandon();
      else closeEvents(ports.native, events);
      ports.close();
      throw error;
    }
  }

  private async launch(): Promise<void> {
    const { plan } = this;
    const hosting = new Hosting(this.core, () => this.fail());
    this.hosting = hosting;
    const starting = Array.from({ length: plan.active }, (_, w) => w);
    const { global } = this.views;
    Atomics.store(global, Global.warming, plan.warmUp ? plan.active : 0);
    for (const w of starting) hosting.host(w);
    let most = Number.NEGATIVE_INFINITY;
    let deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const missing = starting.filter((w) => !hosting.running(w));
      if (missing.length === 0) break;
      // Many workers on few CPUs take their turns: any of them that has begun, warmed up or reported is progress.
      const steps =
        Atomics.load(global, Global.begun) - Atomics.load(global, Global.warming) - missing.length;
      if (steps > most) {
        most = steps;
        deadline = performance.now() + START_TIMEOUT_MS;
      }
      if (performance.now() > deadline) {
        const names = missing.length > 8 ? `${missing.slice(0, 8).join(', ')} …` : missing.join(', ');
        throw new Error(`worker ${names} did not report within ${START_TIMEOUT_MS / 1000} s`);
      }
      await delay(POLL_MS);
    }
    this.startedAt = performance.now();
    // From now on it hears of changes at once.
    this.guard.run('links', () => this.links.look());
    this.watchOn();
  }

  applyPolicy(spec: PolicySpec): Promise<ChangeReport> {
    return livePolicy.applyPolicy(this.core, spec);
  }

  setTable(changes: readonly TableChange[], options: TableOptions = {}): Promise<ChangeReport> {
    return livePolicy.setTable(this.core, changes, options);
  }

  table(): readonly number[] | null {
    return livePolicy.tableOf(this.core);
  }

  setOwner(mac: string, vlan: number | null, worker: number): Promise<ChangeReport> {
    return livePolicy.setOwners(this.core, [{ mac, vlan, worker }], {});
  }

  setOwners(changes: readonly OwnerChange[], options: TableOptions = {}): Promise<ChangeReport> {
    return livePolicy.setOwners(this.core, changes, options);
  }

  owners(): readonly Owner[] | null {
    return livePolicy.ownersOf(this.core);
  }

  addWorker(): Promise<ChangeReport> {
    return liveWorkers.addWorker(this.core, this.hosting!);
  }

  removeWorker(id: number): Promise<ChangeReport> {
    return liveWorkers.removeWorker(this.core, this.hosting!, id);
  }

  addPort(spec: PortSpec): Promise<ChangeReport> {
    return livePorts.addPort(this.core, spec);
  }

  removePort(name: string): Promise<ChangeReport> {
    return livePorts.removePort(this.core, name);
  }

  rollback(): Promise<ChangeReport> {
    return livePolicy.rollback(this.core);
  }

  history(): readonly string[] {
    return this.core.undo.map(({ text }) => text);
  }

  census(): ReturnType<LiveEngine['census']> {
    return this.flowCensus.read(this.plan.ports, performance.now());
  }

  trace(n: number, options: TraceOptions = {}): Promise<TraceEntry[]> {
    return traceDecisions(this.core.trace, n, options);
  }

  /**
   * Periodic: links, consumers, ageing, the census, ports that wait for a late worker, finite sources. What fails is
   * tried again at its next turn and keeps none of the others from theirs.
   */
  private look(): void {
    const { core, guard } = this;
    guard.run('links', () => this.links.look());
    guard.run('consumers', () => this.consumers.refresh());
    const now = performance.now();
    if (now - this.sweptAt > SWEEP_MS) guard.run('ageing addresses', () => this.sweep(now));
    guard.run('addresses that move', () => this.moveWatch.look(now));
    if (now - this.turnedAt > CENSUS_MS) {
      this.turnedAt = now;
      guard.run('flow census', () => this.turnCensus(now));
    }
    guard.run('removed ports', () => livePorts.letGo(core));
    if (this.finite() && core.sourcesDone()) this.sourcesEnded?.();
  }

  /** Where a worker has a table just now the sweep goes on at the next look. */
  private sweep(now: number): void {
    const { core } = this;
    const addresses = core.macTable?.sweep(secondsNow(this.plan)) ?? 0;
    if (livePolicy.sweepOwners(core) && addresses >= 0) this.sweptAt = now;
  }

  private turnCensus(now: number): void {
    const { worker } = this.views.counters;
    const received = worker.reduce((sum, counters) => sum + counters[WorkerCounter.received]!, 0);
    this.flowCensus.turn(this.plan.ports, now, received);
  }

  private finite(): boolean {
    return this.plan.ports.some((port) => port.source?.finite === true);
  }

  /** An idle process pays for every time that it wakes. */
  private watchOn(): void {
    const busy = this.finite() || this.consumers.following || this.links.restless;
    this.watch = setTimeout(
      () => {
        this.look();
        this.watchOn();
      },
      busy ? WATCH_MS : QUIET_MS,
    );
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

  /**
   * Writes the kernel's tables of a running `rfs` policy, as `/sys` and `/proc` do: at once, without the drain of a
   * policy change. See `RfsSteering.rewriteTables`. Throws UserError under other policies.
   */
  rewriteTables(rewrite: TableRewrite): void {
    this.flowPolicy('rewriteTables').rewriteTables(rewrite);
  }

  private flowPolicy(what: string): RfsSteering {
    const { compiled } = this.core;
    if (compiled instanceof RfsSteering) return compiled;
    throw new UserError(`${what}: policy ${compiled.spec.policy} follows no flows: rfs does`);
  }

  /** Brings kernel counters up to date (statistics, summary). Never throws: what cannot be read stays as it was. */
  refreshPortCounters(): void {
    this.guard.run('counters of devices', () => this.ports.readDrops());
  }

  /** The open live port of an index; undefined for memory and capture ports. */
  live(port: number): LivePort | undefined {
    return this.ports.live.get(port);
  }

  private wakeAll(): void {
    this.core.wakeAll();
  }

  /**
   * Stops receiving, drains, ends the workers, closes the ports. A change that is under way is finished first, or given
   * up where it only waits. A second call waits for the first one's end.
   */
  stop(): Promise<void> {
    this.stopped ??= this.stopNow();
    return this.stopped;
  }

  private async stopNow(): Promise<void> {
    const { global, workers, rings } = this.views;
    this.core.stop();
    await this.core.settled();
    if (this.watch !== null) clearTimeout(this.watch);
    this.watch = null;
    this.links.rest();
    Atomics.store(global, Global.phase, Phase.drain);
    await this.until(() =>
      this.core.hosted.every((w) => Atomics.load(workers[w]!, WorkerWord.phaseSeen) === Phase.drain),
    );
    await this.until(() => rings.every(ringDrained));
    const left = this.views.pool.inFlight();
    if (left > 0) this.warn(`${left} frame(s) were still in flight when the drain was given up`);
    Atomics.store(global, Global.phase, Phase.exit);
    this.wakeAll();
    await this.hosting?.allEnded(DRAIN_TIMEOUT_MS);
    this.stoppedAt = performance.now();
    // Nobody receives any more: what the kernel still has for this program is counted, then its last drop counters.
    this.guard.run('counters of devices', () => {
      this.links.finish();
      this.ports.finish();
    });
    this.lastPorts = portSummaries(this.core);
    this.lastOrder = this.core.order;
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
    const { hosting } = this;
    if (hosting !== null) {
      await hosting.allEnded(DRAIN_TIMEOUT_MS);
      this.startFailure = hosting.failure;
      this.hosting = null;
      await hosting.destroy();
    }
    for (const w of this.core.hosted) this.core.disconnect(w);
    closeEvents(this.native, this.memory.events);
    this.links.close();
  }
}

function closeEvents(native: Native | null, events: readonly number[]): void {
  for (const event of events) if (event >= 0) native?.closeDescriptor(event);
}
