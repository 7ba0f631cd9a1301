/**
 * The rebalancer at work: looks at a running engine once an interval, says what it would move, and moves it if told to.
 *
 * Promise: an even forwarder costs it a few additions an interval; flows are looked at only while workers are uneven.
 * In `dry` mode nothing is changed. What people are told is rationed: a line in `SAY_EVERY_MS` at most, and rarer and
 * rarer while workers stay uneven. Nothing is moved while another change is being made. Main thread.
 */
import { WorkerCounter } from '../dataplane/shared/counters.js';
import { compilePolicy } from '../policy/compile.js';
import { parseFreeze } from '../policy/freeze.js';
import type { GuestOwner } from '../policy/owners.js';
import {
  type Advice,
  bucketLoads,
  guestLoads,
  type LoadSample,
  queueFor,
  Rebalancer,
  type RebalanceSettings,
} from '../policy/rebalance.js';
import type { RssSteering } from '../policy/rss.js';
import { fullestOverFair } from '../policy/spread.js';
import type { Controller } from './controller.js';
import type { RebalanceMode } from './modes.js';
import type { Body } from './requests.js';

/** Time between two looks: the census window of the engine. */
export const INTERVAL_MS = 1000;
/** Least time between two lines; it doubles while the same thing would have to be said again and again. */
const SAY_EVERY_MS = 10_000;
const SAY_RARELY_MS = 640_000;

/** What `GET /rebalance` tells. */
export interface RebalanceState {
  readonly mode: RebalanceMode;
  readonly settings: Omit<RebalanceSettings, 'freeze'> & { readonly freeze: readonly string[] };
  readonly intervals: number;
  /** Times that moves were due, times that they were made, and buckets or guests moved. */
  readonly due: number;
  readonly acted: number;
  readonly moved: number;
  /** The last look: null before the first, and while off. */
  readonly last: Advice | null;
}

export class Watcher {
  #mode: RebalanceMode;
  #freeze: readonly string[] = [];
  #rebalancer: Rebalancer;
  #timer: NodeJS.Timeout | null = null;
  #processed: number[] = [];
  #last: Advice | null = null;
  #saidAt = Number.NEGATIVE_INFINITY;
  #quietMs = SAY_EVERY_MS;
  #intervals = 0;
  #due = 0;
  #acted = 0;
  #moved = 0;

  /** @param say gets one line for people. */
  constructor(
    private readonly controller: Controller,
    private readonly say: (line: string) => void,
    mode: RebalanceMode,
  ) {
    this.#mode = mode;
    this.#rebalancer = new Rebalancer();
    this.#restart();
  }

  state(): RebalanceState {
    return {
      mode: this.#mode,
      settings: { ...this.#rebalancer.settings, freeze: this.#freeze },
      intervals: this.#intervals,
      due: this.#due,
      acted: this.#acted,
      moved: this.#moved,
      last: this.#last,
    };
  }

  /** Changes mode and settings; all or nothing. @throws UserError */
  configure({ mode, freeze, ...given }: Body<'rebalance'>): RebalanceState {
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const parsed = freeze === undefined ? this.#rebalancer.settings.freeze : parseFreeze(freeze);
    this.#rebalancer = new Rebalancer({ ...this.#rebalancer.settings, ...known, freeze: parsed });
    if (freeze !== undefined) this.#freeze = typeof freeze === 'string' ? freeze.split(',') : freeze;
    this.#mode = mode ?? this.#mode;
    this.#restart();
    return this.state();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #restart(): void {
    this.close();
    this.#processed = [];
    this.#last = null;
    if (this.#mode === 'off') return;
    // Not a reason to keep the process alive.
    this.#timer = setInterval(() => void this.#look(), INTERVAL_MS).unref();
  }

  async #look(): Promise<void> {
    const { controller } = this;
    if (controller.closed || controller.changing !== null) return;
    this.#intervals++;
    try {
      const load = this.#load();
      const movable = this.#isEven(load) ? { loads: [], fixed: load } : this.#movable(load);
      const advice = this.#rebalancer.observe({ workers: load.length, ...movable }, this.#mode === 'auto');
      this.#last = advice;
      if (advice.uneven === 0) this.#quietMs = SAY_EVERY_MS;
      if (!advice.act) return;
      this.#due++;
      if (this.#mode === 'auto') await this.#act(advice, movable);
      else this.#tell(`would move ${listed(advice)}: ${advice.why} (--rebalance auto does it)`);
    } catch (error) {
      this.#tell((error as Error).message.split('\n')[0]!);
    }
  }

  #tell(line: string): void {
    const now = performance.now();
    if (now - this.#saidAt < this.#quietMs) return;
    // The first line of all is not followed by a longer silence than the second.
    if (this.#saidAt > 0) this.#quietMs = Math.min(2 * this.#quietMs, SAY_RARELY_MS);
    this.#saidAt = now;
    this.say(`rebalance: ${line}`);
  }

  /** Frames of each worker since the last look: enough to see that all is even. */
  #load(): number[] {
    const { engine } = this.controller;
    const processed = engine.views.counters.worker
      .slice(0, engine.plan.active)
      .map((counters) => counters[WorkerCounter.processed]!);
    const load = processed.map((count, worker) => count - (this.#processed[worker] ?? count));
    this.#processed = processed;
    return load;
  }

  /** Judged by the workers' own counts, without a look at any flow. */
  #isEven(load: readonly number[]): boolean {
    const { threshold, least } = this.#rebalancer.settings;
    return load.reduce((a, b) => a + b, 0) < least || fullestOverFair(load) <= threshold;
  }

  /** What can be moved under the running policy. */
  #movable(load: readonly number[]): Movable {
    const { policy, workers, flows, owners } = this.controller.running();
    const { freeze } = this.#rebalancer.settings;
    // With traffic classes a bucket has a queue in each.
    if (policy.stage === 'cpu' && policy.policy === 'rss' && policy.tcs === undefined) {
      const steering = compilePolicy(policy, { workers }) as RssSteering;
      return { ...bucketLoads(steering, workers, flows, freeze), steering };
    }
    if (policy.stage === 'cpu' && policy.policy === 'mac') {
      return guestLoads(owners ?? [], workers, flows, freeze);
    }
    return { loads: [], fixed: load };
  }

  async #act(advice: Advice, { steering, buckets, guests }: Movable): Promise<void> {
    const { controller } = this;
    if (steering !== undefined && buckets !== undefined) {
      const { workers } = steering;
      const changes = advice.moves.map(({ index, to }) => {
        const bucket = buckets[index]!;
        const queue = queueFor(steering, to, workers);
        // The next move sees this one.
        steering.table.set(bucket, queue);
        return { bucket, queue };
      });
      await controller.table(changes);
    } else if (guests !== undefined) {
      const changes = advice.moves.map(({ index, to }) => {
        const { mac, vlan } = guests[index]!;
        return { mac, vlan, worker: to };
      });
      await controller.owners(changes);
    } else return;
    this.#acted++;
    this.#moved += advice.moves.length;
    this.#processed = [];
    this.#saidAt = Number.NEGATIVE_INFINITY;
    this.#tell(`moved ${listed(advice)}: ${advice.why}`);
  }
}

/** Loads, and what each of them is. */
interface Movable {
  readonly workers?: number;
  readonly loads: LoadSample['loads'];
  readonly fixed: readonly number[];
  /** Buckets of this steering by index of their load, or guests. */
  readonly steering?: RssSteering;
  readonly buckets?: readonly number[];
  readonly guests?: readonly GuestOwner[];
}

/** `bucket 3 0->1, bucket 9 0->1 and 4 more`. */
function listed({ moves }: Advice): string {
  const shown = moves.slice(0, 4).map(({ name, from, to }) => `${name} ${from}->${to}`);
  return moves.length > 4 ? `${shown.join(', ')} and ${moves.length - 4} more` : shown.join(', ');
}
