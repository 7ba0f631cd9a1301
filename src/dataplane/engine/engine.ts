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
import type { PortSpec } from '../ports/kinds.js';
import type { LivePort } from '../ports/live-port.js';
import { type OpenPorts, openPorts } from '../ports/open.js';
import {
  allocateEngineMemory,
  attachEngine,
  type EngineMemory,
  type EngineViews,
} from '../shared/engine-memory.js';
import { CensusReader } from '../shared/flow-census.js';
import { allocateSwitching } from '../shared/forwarding.js';
import type { EnginePlan } from '../shared/plan.js';
import type { TraceEntry, TraceOptions } from '../shared/trace.js';
import { traceDecisions } from '../shared/trace.js';
import { makeWaker } from '../shared/waker.js';
import { Global, Phase } from '../shared/words.js';
import * as livePolicy from './change-policy.js';
import * as livePorts from './change-ports.js';
import * as liveWorkers from './change-workers.js';
import type { ChangeReport, LiveEngine, Owner, OwnerChange, TableChange, TableOptions } from './changes.js';
import { ConsumerWatch } from './consumers.js';
import { EngineCore } from './core.js';
import { drain } from './drain.js';
import { Guard, guarded } from './guarded.js';
import { Hosting } from './hosting.js';
import { LinkWatch } from './link-watch.js';
import { MoveWatch } from './move-watch.js';
import { checkNumbers, type EngineOptions, planEngine, workerCapacity } from './plan.js';
import { type PortSummary, portSummaries } from './port-summary.js';
import { Upkeep } from './upkeep.js';

/** Frames are drained within this time after a stop, or the stop gives up waiting. */
const DRAIN_TIMEOUT_MS = 5000;
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
  private readonly links: LinkWatch;
  private readonly upkeep: Upkeep;
  /** Under which everything runs that nobody awaits. */
  private readonly guard: Guard;
  private stopped: Promise<void> | null = null;
  /** Counters of the ports at the stop: their devices and rings are gone afterwards. */
  private lastPorts: PortSummary[] | null = null;
  private lastOrder: EnginePlan['order'] | null = null;
  private readonly moveWatch: MoveWatch;
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
      { plan, memory, steering: 1, fence: 1, table: null, span: plan.active },
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
    this.consumers = new ConsumerWatch(
      () => this.plan,
      options.ports,
      this.views.consumers,
      this.warn,
      (index) => this.ports.live.get(index),
    );
    if (options.receiveMib !== undefined) this.core.receive = { receiveMib: options.receiveMib };
    this.core.consumers = this.consumers;
    this.links = new LinkWatch(this.core, this.guard);
    this.core.followPort = (index) => this.links.follow(index);
    for (const index of ports.live.keys()) this.links.follow(index);
    this.moveWatch = new MoveWatch(
      this.core.macTable,
      (port) => this.plan.ports[port]?.name || String(port),
      this.warn,
    );
    this.consumers.adopt(compiled);
    this.core.programs.begin(plan);
    this.upkeep = new Upkeep(this.core, this.guard, {
      links: this.links,
      consumers: this.consumers,
      moves: this.moveWatch,
      census: this.flowCensus,
    });
    this.drained = this.upkeep.drained;
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

  /** The ports that there are, as they were given. */
  portSpecs(): PortSpec[] {
    return [...this.core.specs].sort(([a], [b]) => a - b).map(([, spec]) => spec);
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
    await hosting.start(plan.active);
    await this.core.change(() => this.core.programs.open());
    this.startedAt = performance.now();
    // From now on it hears of changes at once.
    this.guard.run('links', () => this.links.look());
    this.upkeep.begin();
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

  heaviest(most: number): ReturnType<LiveEngine['heaviest']> {
    return this.flowCensus.heaviest(this.plan.ports, performance.now(), most);
  }

  /**
   * The frames of each flow between the last two seconds (see `CensusReader.increments`): to be asked within
   * `onSecond`, else some are told twice or never.
   */
  flowIncrements(visit: Parameters<CensusReader['increments']>[1]): void {
    this.flowCensus.increments(this.plan.ports, visit);
  }

  /** Has a function called once a second, on the main thread, while the engine runs; null = none. What it throws ends nothing. */
  onSecond(call: (() => void) | null): void {
    this.upkeep.onSecond = call;
  }

  trace(n: number, options: TraceOptions = {}): Promise<TraceEntry[]> {
    return traceDecisions(this.core.trace, n, options);
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

  /**
   * Stops receiving, drains, ends the workers, closes the ports. A change that is under way is finished first, or given
   * up where it only waits. A second call waits for the first one's end.
   */
  stop(): Promise<void> {
    this.stopped ??= this.stopNow();
    return this.stopped;
  }

  private async stopNow(): Promise<void> {
    this.core.stop();
    await this.core.settled();
    this.upkeep.end();
    this.links.rest();
    await drain(this.core, DRAIN_TIMEOUT_MS, () => this.failure !== null);
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

  /** Ends the threads. The loops are told to exit first: a thread inside a native wait cannot be terminated. */
  private async abandon(): Promise<void> {
    Atomics.store(this.views.global, Global.phase, Phase.exit);
    this.core.wakeAll();
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
