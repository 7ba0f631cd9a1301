/**
 * The worker's side of live changes: follows the newest configuration at burst boundaries.
 *
 * Promise: a worker that has acknowledged a configuration acts by it alone. Where steering changes it has first
 * finished every frame that it received before: it stops receiving (`paused`; frames wait in the kernel), goes on
 * draining and sending, and switches when all rings that it produces into are done. So no frame steered by the new
 * configuration can overtake one steered by the old. Receive queues change hands the same way (`WorkerPorts`).
 *
 * A worker's start is a change like any other, from nothing to the newest configuration: a successor of a dead
 * worker waits for the frames that its predecessor had handed out.
 *
 * Nobody waits here: each step looks and returns. No cycle is possible either: a paused worker waits for others to
 * drain, and draining waits for nothing. Not in the hot path: one load a pass while nothing changes.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { Steering } from '../../policy/steering.js';
import type { LiveConfig } from '../shared/config.js';
import type { EngineViews } from '../shared/engine-memory.js';
import { Global, Pause, WorkerState, WorkerWord } from '../shared/words.js';
import type { WorkerPorts } from './worker-ports.js';

export interface FollowerParts {
  readonly views: EngineViews;
  readonly worker: number;
  readonly held: Pick<WorkerPorts, 'release' | 'acquire' | 'canAcquire'>;
  /** Where newer configurations come from; null where none will. */
  readonly port: MessagePort | null;
  /** The steering of a configuration. Must not fail: the main thread has compiled it before. */
  readonly compile: (config: LiveConfig) => Steering;
  /** Puts a configuration to work: everything but ports. `steering` is null where it stays as it is. */
  readonly install: (config: LiveConfig, steering: Steering | null) => void;
  /** True when every frame that this worker received is finished. */
  readonly drained: () => boolean;
}

export class ConfigFollower {
  /** Receiving is suspended. */
  paused = true;
  /** Set behind each change: what it replaced waits for a turn of the event loop to be given back. */
  turn = false;
  /** Number of the newest configuration that was read. */
  private known = 0;
  /** On its way: to be installed (`steering` compiled already), then its queues are taken over. */
  private target: LiveConfig | null = null;
  private steering: Steering | null = null;
  /** Compiled for a configuration that is to come, and its number of the steering. */
  private prepared: { readonly number: number; readonly steering: Steering } | null = null;
  private installed: LiveConfig | null = null;
  private pausedAt = -1;
  private readonly words: Int32Array;

  constructor(
    private readonly p: FollowerParts,
    first: LiveConfig,
    steering: Steering,
  ) {
    this.words = p.views.workers[p.worker]!;
    this.known = first.epoch;
    this.target = first;
    this.steering = steering;
  }

  /** There is something to do for `step`. */
  due(): boolean {
    return this.target !== null || Atomics.load(this.p.views.global, Global.configEpoch) !== this.known;
  }

  /** Between two bursts: goes as far as it can. */
  step(): void {
    if (Atomics.load(this.p.views.global, Global.configEpoch) !== this.known) this.read();
    const { target } = this;
    if (target === null) return;
    if (target !== this.installed) {
      if (this.paused && !this.p.drained()) return;
      this.install(target);
    }
    if (!this.p.held.acquire()) return;
    this.target = null;
    this.turn = true;
    // What it has prepared beyond that counts as seen, too.
    Atomics.store(this.words, WorkerWord.configSeen, this.known);
    if (Atomics.load(this.words, WorkerWord.state) !== WorkerState.running) {
      Atomics.store(this.words, WorkerWord.state, WorkerState.running);
    }
  }

  /** The check before sleeping: something that `step` waits for has happened. */
  ready(): boolean {
    if (Atomics.load(this.p.views.global, Global.configEpoch) !== this.known) return true;
    if (this.target === null) return false;
    if (this.target !== this.installed) return this.paused ? this.p.drained() : true;
    return this.p.held.canAcquire();
  }

  /**
   * Messages are posted before the epoch is stored, so the newest one is there when the epoch is seen. A worker that was
   * late may find a change and the preparation of the one after it: it is to act by the first, and acknowledges both.
   */
  private read(): void {
    let change: LiveConfig | null = null;
    let preparation: LiveConfig | null = null;
    const { port } = this.p;
    while (port !== null) {
      const message = receiveMessageOnPort(port);
      if (message === undefined) break;
      const config = message.message as LiveConfig;
      if (config.prepare) preparation = config;
      else change = config;
    }
    if (change !== null && change.epoch > this.known) this.setTarget(change);
    if (preparation !== null && preparation.epoch > this.known) this.prepare(preparation);
  }

  /** Not in the middle of a change: the main thread makes one after the other, unless it gave one up. */
  private prepare(config: LiveConfig): void {
    this.prepared = { number: config.steering, steering: this.p.compile(config) };
    this.known = config.epoch;
    if (this.target === null) Atomics.store(this.words, WorkerWord.configSeen, config.epoch);
  }

  private setTarget(config: LiveConfig): void {
    this.known = config.epoch;
    this.target = config;
    const isSame = this.installed?.steering === config.steering;
    if (isSame && this.installed?.fence === config.fence) {
      this.steering = null;
      // The switch that the pause was for has been taken back.
      this.resume();
      return;
    }
    this.steering = isSame ? null : this.steeringFor(config);
    if (this.installed === null || this.paused) return;
    this.paused = true;
    this.pausedAt = performance.now();
  }

  private steeringFor(config: LiveConfig): Steering {
    const { prepared } = this;
    this.prepared = null;
    return prepared?.number === config.steering ? prepared.steering : this.p.compile(config);
  }

  private install(target: LiveConfig): void {
    this.p.held.release(target.plan, target.span);
    this.p.install(target, this.steering);
    this.steering = null;
    this.installed = target;
    this.resume();
  }

  private resume(): void {
    const { views, worker } = this.p;
    this.paused = false;
    if (this.pausedAt < 0) return;
    const pauses = views.pauses[worker]!;
    pauses[Pause.count]!++;
    pauses[Pause.ns]! += (performance.now() - this.pausedAt) * 1e6;
    this.pausedAt = -1;
  }
}
