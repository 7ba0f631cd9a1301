/**
 * What the main thread looks after while the engine runs: links, consumers, aged addresses, addresses that move, the
 * census, ports that wait for a late worker, finite sources.
 *
 * Promise: an idle process wakes four times a second, and ten times only where a source has an end, a task is followed or
 * a device is gone. What fails is tried again at its next turn and keeps none of the others from theirs. Main thread only.
 */
import { WorkerCounter } from '../shared/counters.js';
import type { CensusReader } from '../shared/flow-census.js';
import { secondsNow } from '../shared/forwarding.js';
import { ownersNow, sweepOwners } from './change-policy.js';
import { letGo } from './change-ports.js';
import type { ConsumerWatch } from './consumers.js';
import type { EngineCore } from './core.js';
import type { Guard } from './guarded.js';
import type { LinkWatch } from './link-watch.js';
import type { MoveWatch } from './move-watch.js';

/** Interval of sweeping aged addresses out of the MAC table and the owner table. */
const SWEEP_MS = 5000;
/** Interval of looking at links, consumers and sources; where none of them needs to be looked at, the longer one. */
const WATCH_MS = 100;
const QUIET_MS = 250;
/** While guests keep coming programs change a tenth of the time at most. */
const OWNERS_REST = 9;
/** Interval of the census windows. */
const CENSUS_MS = 1000;

/** Who is looked after. */
export interface Wards {
  readonly links: LinkWatch;
  readonly consumers: ConsumerWatch;
  readonly moves: MoveWatch;
  readonly census: CensusReader;
}

export class Upkeep {
  /** Resolves when all finite sources are drained; never without any. */
  readonly drained: Promise<void>;
  private sourcesEnded: (() => void) | null = null;
  private timer: NodeJS.Timeout | null = null;
  private sweptAt = 0;
  private turnedAt = 0;
  /** What the owner table was like at the last look. */
  private owners = 0;
  /** When the programs may be told of owners again: their frames wait while programs change. */
  private ownersDueAt = 0;
  /** Called once a second, when the census has turned. */
  onSecond: (() => void) | null = null;

  constructor(
    private readonly core: EngineCore,
    private readonly guard: Guard,
    private readonly wards: Wards,
  ) {
    this.drained = new Promise((resolve) => {
      this.sourcesEnded = resolve;
    });
  }

  /** From now on, until `end`. */
  begin(): void {
    const { consumers, links } = this.wards;
    const busy = this.finite() || consumers.following || links.restless;
    this.timer = setTimeout(
      () => {
        this.look();
        this.begin();
      },
      busy ? WATCH_MS : QUIET_MS,
    );
  }

  end(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private look(): void {
    const { core, guard, wards } = this;
    guard.run('links', () => wards.links.look());
    guard.run('consumers', () => wards.consumers.refresh());
    const now = performance.now();
    if (now - this.sweptAt > SWEEP_MS) guard.run('ageing addresses', () => this.sweep(now));
    guard.run('addresses that move', () => wards.moves.look(now));
    if (now - this.turnedAt >= CENSUS_MS) {
      // Looks come later than they should: the next turn makes up for it, so that a minute has sixty of them.
      this.turnedAt = Math.max(this.turnedAt + CENSUS_MS, now - CENSUS_MS / 2);
      guard.run('flow census', () => this.turnCensus(now));
      guard.run('history', () => this.onSecond?.());
    }
    guard.run('owners in the kernel', () => this.followOwners());
    guard.run('removed ports', () => letGo(core));
    if (this.finite() && core.sourcesDone()) this.sourcesEnded?.();
  }

  /** Guests that were learned, moved or forgotten since: the programs of steered ports get them, as a change of its own. */
  private followOwners(): void {
    const { core } = this;
    if (core.changing || core.stopping || !core.plan.ports.some(({ programmed }) => programmed !== undefined))
      return;
    const began = performance.now();
    if (began < this.ownersDueAt) return;
    const owners = ownersNow(core);
    if (owners === this.owners) return;
    this.owners = owners;
    const told = core.change(() => core.publish({}));
    told
      .catch((error: Error) => core.warn(error.message))
      .finally(() => {
        const now = performance.now();
        this.ownersDueAt = now + (now - began) * OWNERS_REST;
      });
  }

  /** Where a worker has a table just now the sweep goes on at the next look. */
  private sweep(now: number): void {
    const { core } = this;
    const addresses = core.macTable?.sweep(secondsNow(core.plan)) ?? 0;
    if (sweepOwners(core) && addresses >= 0) this.sweptAt = now;
  }

  private turnCensus(now: number): void {
    const { plan, views } = this.core;
    const received = views.counters.worker.reduce((sum, of) => sum + of[WorkerCounter.received]!, 0);
    this.wards.census.turn(plan.ports, now, received);
  }

  private finite(): boolean {
    return this.core.plan.ports.some((port) => port.finite);
  }
}
