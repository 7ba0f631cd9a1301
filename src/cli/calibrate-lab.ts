/**
 * The demo's lab, measured part by part: what a burst costs the workers of a forwarder that runs, by where its packets go.
 *
 * Promise: namespaces, links, ports and guests are the demo's (a guest has its address, and its kernel throws away what
 * comes, at the sender's expense); only where the switch sends differs. A figure is CPU time between two looks at
 * forwarders that run, so neither starting nor compiling is in it; looks during which others had the machine are
 * repeated (`calibrate/quiet.ts`).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Disturbance, disturbanceOf, quietSamples } from '../calibrate/quiet.js';
import { ask } from '../control/client.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { ForwarderChild } from './child.js';
import { becomeGuest, build, guestsAt, WORKERS } from './demo-lab.js';
import type { Lab } from './lab.js';

/** At the demo's pace, 25,000 packets a second in bursts of 32, workers sleep between bursts; small ones come as often. */
const BURSTS_PER_SECOND = 25_000 / 32;
/** A small burst and the demo's. */
export const BURSTS = [8, 32] as const;
/** Behind the start, until all code is compiled; and one look. */
const SETTLE_MS = 1000;
const LOOK_MS = 700;
/** Looks that count, and those that are taken at most until so many were undisturbed. */
const LOOKS = 2;
const MOST_LOOKS = 4;

/** What a sender sends: packets of a burst, and to how many guests in turn. */
export interface Traffic {
  readonly burst: number;
  readonly guests: number;
}

/** A forwarder with the demo's ports. */
export interface Receiver {
  /** The port of each guest. */
  readonly ports: readonly string[];
  readonly policy: string;
}

/** Where a burst goes: nowhere, or to one or several guests of a kind. */
export const SINK: readonly string[] = ['sink', 'sink', 'sink'];
export const VETHS: readonly string[] = ['g0', 'g1', 'g2'];
export const TAPS: readonly string[] = ['t0', 't1'];
/** The demo itself. */
export const DEMO: readonly string[] = [...VETHS, 't0'];

const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

export class CalibrationLab {
  /** How disturbed the worst look was that counts. */
  worst: Disturbance = { others: 0, slowdown: 0 };
  readonly #place: ReturnType<typeof build>;
  #runs = 0;

  constructor(
    private readonly lab: Lab,
    private readonly folder: string,
  ) {
    this.#place = build(lab);
  }

  /** CPU nanoseconds of each worker for a burst, by traffic: one forwarder, one sender after the other. */
  async measure({ ports, policy }: Receiver, traffics: readonly Traffic[]): Promise<number[][]> {
    const run = join(this.folder, `${this.#runs++}`);
    writeFileSync(`${run}.json`, JSON.stringify({ mode: 'switch', fdb: guestsAt(ports) }));
    const taps = ports === TAPS ? TAPS : TAPS.slice(0, 1);
    const all = [
      ...['up=af_packet:up', ...VETHS.map((name) => `${name}=af_packet:${name}`)],
      ...[...taps.map((name) => `${name}=tap:${name}`), 'sink=memory:sink'],
    ];
    const socket = `${run}.sock`;
    const receiver = new ForwarderChild(this.#place.host, [
      ...['--config', `${run}.json`, ...all.flatMap((port) => ['--port', port])],
      ...['--policy', policy, '--workers', String(WORKERS), '--control', socket],
    ]);
    try {
      await receiver.ready();
      ports.forEach((port, guest) => {
        if (TAPS.includes(port)) becomeGuest(this.lab, this.#place.host, port, guest);
      });
      const found: number[][] = [];
      for (const traffic of traffics) found.push(await this.#under(traffic, socket));
      return found;
    } finally {
      receiver.kill();
      await receiver.gone;
    }
  }

  /** Under one sender's traffic. */
  async #under({ burst, guests }: Traffic, socket: string): Promise<number[]> {
    const source = `src=memory:source,flows=${16 * guests},guests=${guests},burst=${burst},rate=${burst * BURSTS_PER_SECOND}`;
    const ports = ['--port', source, '--port', 'out=af_packet:u0', '--policy', 'single'];
    const sender = new ForwarderChild(this.#place.uplink, [...ports, '--no-warm-up', '--no-control']);
    try {
      await sender.ready();
      await sleep(SETTLE_MS);
      const look = () => ask<Summary>(socket, 'GET', '/stats');
      const { samples, worst } = await quietSamples(LOOKS, MOST_LOOKS, async () => {
        const before = await look();
        await sleep(LOOK_MS);
        const after = await look();
        const bursts = Math.max(1, (after.totals.received - before.totals.received) / burst);
        return after.workers.map(
          ({ cpuMs }, w) => (((cpuMs ?? 0) - (before.workers[w]!.cpuMs ?? 0)) * 1e6) / bursts,
        );
      });
      if (disturbanceOf(worst) > disturbanceOf(this.worst)) this.worst = worst;
      return samples[0]!.map((_, w) => median(samples.map((sample) => sample[w]!)));
    } finally {
      sender.kill();
      await sender.gone;
    }
  }
}
