/**
 * What comes from outside: clients that wait for answers, packets at a rate, packets of a capture.
 *
 * Promise: each source has draws of its own, by the names of its load and its target: a guest more in a scenario does
 * not change what the others get.
 */

import { below, exponential, unit } from '../machine/random.js';
import type { Actor } from '../machine/sim.js';
import { SECOND } from '../machine/sim.js';
import type { Link } from './link.js';
import type { Source, World } from './world.js';

/** Clients, each with one request under way. */
export class ClosedSource implements Source, Actor {
  readonly #actor: number;
  /** Draws taken by each client. */
  readonly #draws: Int32Array;

  /** @param first number of the first client's flow; the others follow. */
  constructor(
    private readonly world: World,
    private readonly link: Link,
    private readonly first: number,
    private readonly clients: number,
    private readonly bytes: number,
    private readonly think: number,
    private readonly isExponential: boolean,
    private readonly retry: number,
  ) {
    this.#actor = world.sim.enter(this);
    this.#draws = new Int32Array(clients);
  }

  start(): void {
    const { sim, flows } = this.world;
    // Not all at once: within a thinking time, at least 200 us.
    const spread = Math.max(this.think, 200e6);
    for (let i = 0; i < this.clients; i++) {
      sim.at(Math.round(spread * unit(flows.seed[this.first + i]!, -1)), this.#actor, i);
    }
  }

  fire(client: number): void {
    const { world } = this;
    const p = world.make(this.first + client, this.bytes);
    if (!this.link.send(p)) world.drop(p, 'link');
  }

  /** The answer has arrived. */
  answered(p: number): void {
    const { world, think } = this;
    const flow = world.packets.flow[p]!;
    const client = flow - this.first;
    world.finish(p);
    const n = this.#draws[client]!++;
    const time = this.isExponential
      ? Math.round(think * exponential(world.flows.seed[flow]!, 0x40000000 + n))
      : think;
    world.sim.at(world.sim.now + time, this.#actor, client);
  }

  lost(p: number): void {
    const { sim, packets } = this.world;
    sim.at(sim.now + this.retry, this.#actor, packets.flow[p]! - this.first);
  }
}

/** How packets of an open load follow each other. */
export interface OpenSettings {
  readonly first: number;
  readonly flows: number;
  readonly bytes: number;
  /** Packets a second. */
  readonly rate: number;
  readonly arrival: 'poisson' | 'constant' | 'bursts';
  readonly burst: number;
  /** Running sums of the flows' weights, to 1; null = all alike. */
  readonly shares: Float64Array | null;
  readonly seed: number;
}

/** Packets at a rate, whatever becomes of them. */
export class OpenSource implements Source, Actor {
  readonly #actor: number;
  readonly #gap: number;
  #n = 0;
  #exact = 0;

  constructor(
    private readonly world: World,
    private readonly link: Link,
    private readonly settings: OpenSettings,
  ) {
    this.#actor = world.sim.enter(this);
    this.#gap = SECOND / settings.rate;
  }

  start(): void {
    this.world.sim.at(this.#nextTime(), this.#actor, 0);
  }

  #nextTime(): number {
    const { arrival, seed, burst } = this.settings;
    // The exact sum of gaps, so that rounding does not shift the rate.
    if (arrival === 'poisson') this.#exact += this.#gap * exponential(seed, this.#n);
    else this.#exact += arrival === 'bursts' ? this.#gap * burst : this.#gap;
    return Math.round(this.#exact);
  }

  fire(): void {
    const { world, settings } = this;
    const count = settings.arrival === 'bursts' ? settings.burst : 1;
    for (let i = 0; i < count; i++) {
      const p = world.make(settings.first + this.#flow(), settings.bytes);
      if (!this.link.send(p)) world.drop(p, 'link');
    }
    world.sim.at(this.#nextTime(), this.#actor, 0);
  }

  #flow(): number {
    const { flows, shares, seed, arrival } = this.settings;
    const n = this.#n++;
    if (shares === null) return arrival === 'constant' ? n % flows : below(seed ^ 0x666c6f77, n, flows);
    const u = unit(seed ^ 0x666c6f77, n);
    let low = 0;
    let high = flows - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (shares[middle]! < u) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  lost(): void {}
}

/** Packets of a capture, at its times. */
export interface CapturedPackets {
  /** Picoseconds since the first, in order. */
  readonly times: Float64Array;
  /** Flow of each packet, from 0, and its bytes. */
  readonly flows: Int32Array;
  readonly bytes: Int32Array;
  /** A frame of each flow. */
  readonly frames: readonly Uint8Array[];
}

export class CaptureSource implements Source, Actor {
  readonly #actor: number;
  #n = 0;

  constructor(
    private readonly world: World,
    private readonly link: Link,
    private readonly first: number,
    private readonly captured: CapturedPackets,
    private readonly startAt: number,
  ) {
    this.#actor = world.sim.enter(this);
  }

  start(): void {
    this.#next();
  }

  #next(): void {
    const { times } = this.captured;
    if (this.#n < times.length) this.world.sim.at(this.startAt + times[this.#n]!, this.#actor, 0);
  }

  fire(): void {
    const { world, captured } = this;
    const n = this.#n++;
    const p = world.make(this.first + captured.flows[n]!, captured.bytes[n]!);
    if (!this.link.send(p)) world.drop(p, 'link');
    this.#next();
  }

  lost(): void {}
}
