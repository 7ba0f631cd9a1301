/**
 * What the main thread knows of a running engine, and how it changes: the newest configuration, the workers' message
 * channels, and the acknowledged switch from one configuration to the next.
 *
 * Promise: `change` runs one change at a time, in the order of the calls. `publish` posts a configuration to all
 * hosted workers, then stores its number, then wakes them; it resolves when every worker has acknowledged it, or after
 * `ACKNOWLEDGE_TIMEOUT_MS` with those that had not. A worker that is started later is given the newest configuration.
 *
 * Main thread only.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { UserError } from '../../errors.js';
import type { MacControl } from '../../forward/mac-control.js';
import type { Steering } from '../../policy/steering.js';
import { LentSlots } from '../memory/lent.js';
import type { PortSpec } from '../ports/kinds.js';
import type { OpenOptions, OpenPorts } from '../ports/open.js';
import type { LiveConfig } from '../shared/config.js';
import type { EngineMemory, EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import { TraceCollector, type TraceMessage } from '../shared/trace.js';
import type { Waker } from '../shared/waker.js';
import { Global, Pause, WorkerWord } from '../shared/words.js';
import { ACKNOWLEDGE_TIMEOUT_MS, type ChangeKind, type ChangeReport } from './changes.js';
import type { ConfigChange } from './config-change.js';
import type { ConsumerWatch } from './consumers.js';
import { Guard } from './guarded.js';
import { PortPrograms } from './port-programs.js';
import { type PortSummary, RetiredPorts } from './port-summary.js';

const POLL_MS = 1;

export const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How to undo a change: a text for people, and the change back. */
export interface Undo {
  readonly text: string;
  readonly run: () => Promise<ChangeReport>;
}

/** A port that was removed, and the configuration that a worker still has to follow to. */
export interface StuckPort {
  readonly info: PortInfo;
  readonly epoch: number;
}

export class EngineCore {
  config: LiveConfig;
  /** Workers that have run at any time: 0 … ever-1. */
  ever: number;
  /** A change is under way: what workers say of their sources may be said by nobody at this moment. */
  changing = false;
  /** What each port was opened by, by index. */
  readonly specs = new Map<number, PortSpec>();
  /** Counters of ports that were removed. */
  readonly retired = new RetiredPorts();
  /** What the counters of a place said when its port came, where another one had it before. */
  readonly baselines = new Map<number, PortSummary>();
  /** Ports that were removed while a worker did not follow: their numbers are not given to others until it does. */
  readonly stuck = new Map<number, StuckPort>();
  /** What `rollback` undoes, the last one first to be undone. */
  readonly undo: Undo[] = [];
  readonly trace: TraceCollector;
  /** Of ports whose queues the kernel chooses by the policy. */
  readonly programs: PortPrograms;
  /** Slots of the pool that devices have. */
  readonly lentSlots: LentSlots;
  /** How much the kernel may hold for receive queues, as ports are opened with it. */
  receive: Pick<OpenOptions, 'receiveMib'> = {};
  /** A port was added, and no worker knows of it yet. @throws UserError */
  followPort: (index: number) => void = () => {};
  /** Looks where consumers run; follows the policy. */
  consumers: ConsumerWatch | null = null;
  private readonly channels = new Map<number, MessagePort>();
  private readonly guard: Guard;
  private readonly ending = new AbortController();
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    first: Omit<LiveConfig, 'epoch' | 'prepare'>,
    /** The running policy as this thread compiled it: its table, never its shared memory, is that of the workers. */
    public compiled: Steering,
    readonly views: EngineViews,
    readonly ports: OpenPorts,
    readonly waker: Waker,
    readonly macTable: MacControl | null,
    readonly warn: (message: string) => unknown,
  ) {
    this.config = { ...first, epoch: 1, prepare: false };
    this.ever = first.span;
    Atomics.store(views.global, Global.configEpoch, 1);
    this.guard = new Guard(warn);
    const core = this;
    this.programs = new PortPrograms({
      ...{ ports, views, warn },
      config: () => this.config,
      compiled: () => this.compiled,
      advance: (change) => this.advance(change),
      pause: (ms) => this.pause(ms),
      get stopping() {
        return core.stopping;
      },
    });
    this.lentSlots = new LentSlots(views.pool);
    this.trace = new TraceCollector(views.global, (index) => this.plan.ports[index]?.name ?? `port ${index}`);
  }

  get plan(): EnginePlan {
    return this.config.plan;
  }

  get memory(): EngineMemory {
    return this.config.memory;
  }

  /** What is true of order now: the plan's, but where a port has lost it since (XPS set while it runs). */
  get order(): EnginePlan['order'] {
    for (const { orderLost } of this.ports.live.values()) if (orderLost !== '') return 'none';
    return this.plan.order;
  }

  /** Workers that are hosted now. */
  get hosted(): number[] {
    return [...this.channels.keys()];
  }

  /** A message channel for a worker that is about to start; the end to hand to it. */
  connect(worker: number): MessagePort {
    this.channels.get(worker)?.close();
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (message: TraceMessage) => {
      this.guard.run('trace', () => this.trace.accept(message));
    });
    // The worker threads keep the process alive, not this.
    port1.unref();
    this.channels.set(worker, port1);
    return port2;
  }

  /** A worker has ended for good. */
  disconnect(worker: number): void {
    this.channels.get(worker)?.close();
    this.channels.delete(worker);
  }

  /** Aborted when the engine stops: no more changes, and the one under way waits for nothing any more. */
  get stopSignal(): AbortSignal {
    return this.ending.signal;
  }

  get stopping(): boolean {
    return this.ending.signal.aborted;
  }

  /** The engine stops. */
  stop(): void {
    this.ending.abort(new UserError('the engine stops: nothing can be changed any more'));
    this.trace.end();
  }

  /** Waits so long, or until the engine stops. */
  pause(ms: number): Promise<void> {
    const { signal } = this.ending;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
  }

  /** Runs a change when all earlier ones are over. */
  change<T>(run: () => Promise<T>): Promise<T> {
    const result = this.queue.then(async () => {
      this.stopSignal.throwIfAborted();
      this.changing = true;
      try {
        return await run();
      } catch (error) {
        throw error instanceof RangeError ? new Error(`no memory for this change: ${error.message}`) : error;
      } finally {
        this.changing = false;
      }
    });
    this.queue = result.catch(() => {});
    return result;
  }

  /** Waits for changes that were asked for. */
  async settled(): Promise<void> {
    await this.queue;
  }

  /**
   * Makes a configuration the newest one and waits until all hosted workers act by it; returns those that did not in
   * time. Where steering changes all workers compile it first, each while the others go on: the switch itself is then
   * short, and nobody is sent frames while it compiles.
   * Programs of ports change with it. @throws UserError where they cannot, and where a worker did not compile in time; nothing
   * has changed then.
   */
  publish(change: ConfigChange): Promise<readonly number[]> {
    return this.programs.publish(change);
  }

  private async advance({ compiled, ...change }: ConfigChange): Promise<readonly number[]> {
    const next: LiveConfig = { ...this.config, ...change };
    if (next.steering !== this.config.steering) {
      // A worker that is started meanwhile has nothing to prepare.
      this.config = { ...this.config, epoch: this.config.epoch + 1 };
      const pending = await this.post({ ...next, epoch: this.config.epoch, prepare: true });
      if (pending.length > 0) {
        throw new UserError(`worker ${pending.join(', ')} does not answer: nothing was changed`);
      }
    }
    this.config = { ...next, epoch: this.config.epoch + 1 };
    if (compiled !== undefined) {
      this.compiled = compiled;
      this.consumers?.adopt(compiled);
    }
    return this.post(this.config);
  }

  /** Posts a configuration and waits for the acknowledgements; returns the workers that are missing. */
  private async post(config: LiveConfig): Promise<readonly number[]> {
    const { epoch } = config;
    for (const port of this.channels.values()) port.postMessage(config);
    Atomics.store(this.views.global, Global.configEpoch, epoch);
    const deadline = performance.now() + ACKNOWLEDGE_TIMEOUT_MS;
    for (;;) {
      this.wakeAll();
      const pending = this.hosted.filter((worker) => this.seen(worker) < epoch);
      if (pending.length === 0 || performance.now() > deadline) return pending;
      await delay(POLL_MS);
    }
  }

  wakeAll(): void {
    for (const worker of this.channels.keys()) this.waker.wake(worker);
  }

  /**
   * Every finite source is drained. Not while anything changes: a queue may be between two pollers, the old one having
   * nothing left to do.
   */
  sourcesDone(): boolean {
    if (this.changing) return false;
    return this.hosted.every(
      (worker) =>
        this.seen(worker) === this.config.epoch &&
        Atomics.load(this.views.workers[worker]!, WorkerWord.sourcesDone) === 1,
    );
  }

  /** Number of the configuration that a worker acts by. */
  seen(worker: number): number {
    return Atomics.load(this.views.workers[worker]!, WorkerWord.configSeen);
  }

  /** Runs `change` and reports on it: time, pauses of the workers, workers that did not follow. */
  async report(
    kind: ChangeKind,
    text: string,
    change: () => Promise<readonly number[]>,
  ): Promise<ChangeReport> {
    const start = performance.now();
    const before = this.views.pauses.map((pause) => pause[Pause.ns]!);
    const pending = await change();
    const pauses = this.views.pauses.flatMap((pause, worker) => {
      const ns = pause[Pause.ns]! - before[worker]!;
      return ns > 0 ? [{ worker, ms: Math.round(ns / 1e3) / 1e3 }] : [];
    });
    if (pending.length > 0) {
      this.warn(`${text}: worker ${pending.join(', ')} has not followed yet`);
    }
    const durationMs = Math.round((performance.now() - start) * 1e3) / 1e3;
    return { kind, text, epoch: this.config.epoch, durationMs, pauses, pending };
  }
}
