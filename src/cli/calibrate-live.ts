/**
 * What a calibration measures with the forwarder itself: CPU time of a packet between memory ports at full rate; and at
 * the pace of the demo, of a burst and of a packet: received from a packet socket, sent into a tap and a veth interface,
 * handed from one worker to another.
 *
 * Promise: each figure is CPU time of the workers over the frames they received; at the demo's pace between two looks at
 * forwarders that run, so that neither starting nor compiling is in it. What a burst costs beyond its packets is the
 * line through bursts of two sizes, which is right for the demo's. Sockets and taps lie in network namespaces of this process, which are removed;
 * without root they are told as not measured.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadNative, nativeProblem } from '../addon/native.js';
import { type Measurement, measurementOf, type Unmeasured } from '../calibrate/samples.js';
import { ask } from '../control/client.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { ForwarderChild } from './child.js';
import { GUESTS, guestsBehind } from './demo-lab.js';
import { Lab, labProblem, ownFolder, sweepDead } from './lab.js';

/** At full rate nobody sleeps. A run of one length less one of another is a figure: starting and warming up are in both. */
const FULL = { short: 400_000, long: 1_600_000 } as const;
const ROUNDS = 2;
const TRAFFIC = `memory:source,flows=64,guests=${GUESTS}`;
const SINK = 'down=memory:sink';
const SINGLE = ['--policy', 'single'] as const;
/** At the demo's pace, 25,000 packets a second in bursts of 32, workers sleep between bursts; small ones come as often. */
const BURSTS_PER_SECOND = 25_000 / 32;
const BURSTS = [4, 32] as const;
/** Behind the start, until all code is compiled; and what is measured then. */
const SETTLE_MS = 1000;
const LOOK_MS = 1200;

const ABOUT = {
  engine: 'a packet through the forwarder between memory ports, on one worker at full rate',
  handOff: 'a packet handed to another worker, at full rate',
  receiveBurst: 'waking for a burst from a veth interface, receiving it, sleeping again',
  receive: 'a packet of it: receiving, deciding, accounting',
  tapCall: 'sending a burst into a tap: the call',
  tapSend: 'a packet of it',
  vethCall: 'sending a burst into a veth interface: the call',
  vethSend: 'a packet of it',
  handBurst: 'handing a burst to another worker that sleeps: what the one pays that hands over',
  wokenBurst: 'waking for a burst from another worker, sleeping again',
  handPacket: 'a packet of it, on both workers together',
} as const;
type Name = keyof typeof ABOUT;
const REAL = [
  ...(['receiveBurst', 'receive', 'tapCall', 'tapSend', 'vethCall', 'vethSend'] as const),
  ...(['handBurst', 'wokenBurst', 'handPacket'] as const),
];

/** CPU nanoseconds of a run's workers, and the frames they received. */
interface Spent {
  readonly cpuNs: number;
  readonly frames: number;
}

function spentOf({ workers, totals }: Summary): Spent {
  return { cpuNs: workers.reduce((sum, { cpuMs }) => sum + (cpuMs ?? 0) * 1e6, 0), frames: totals.received };
}

/** CPU nanoseconds of a frame, from runs of two lengths. */
async function slope(
  lengths: { readonly short: number; readonly long: number },
  run: (packets: number) => Promise<Spent>,
): Promise<number> {
  const short = await run(lengths.short);
  const long = await run(lengths.long);
  return (long.cpuNs - short.cpuNs) / Math.max(1, long.frames - short.frames);
}

/** A forwarder until its source has ended. */
async function forward(ports: readonly string[], more: readonly string[]): Promise<Spent> {
  const child = new ForwarderChild(null, [...ports.flatMap((port) => ['--port', port]), ...more]);
  try {
    return spentOf(await child.summary());
  } finally {
    child.kill();
  }
}

/** CPU nanoseconds of a burst, by its size: of a few packets and of many. */
type Sizes = readonly [few: number, many: number];

/** What a burst costs beyond its packets, and each of them; nanoseconds. */
interface Line {
  readonly burst: number;
  readonly packet: number;
}

/** The line through two sizes; neither part is below nothing, and a burst of many costs what was measured. */
function lineOf([few, many]: Sizes): Line {
  const [small, large] = BURSTS;
  const slope = (many - few) / (large - small);
  const packet = Math.min(Math.max(0, slope), Math.max(0, many / large));
  return { packet, burst: Math.max(0, many - large * packet) };
}

const less = (a: Sizes, b: Sizes): Sizes => [a[0] - b[0], a[1] - b[1]];
const plus = (a: Sizes, b: Sizes): Sizes => [a[0] + b[0], a[1] + b[1]];

/** Two namespaces with a link, and a forwarder in each: one sends bursts, the other is measured. */
class Pair {
  readonly #uplink: string;
  readonly #host: string;
  readonly #socket: string;
  readonly #known: string;
  #runs = 0;

  constructor(lab: Lab, round: number, folder: string) {
    this.#uplink = lab.namespace(`up${round}`);
    this.#host = lab.namespace(`host${round}`);
    this.#socket = join(folder, `${round}`);
    lab.veth(this.#uplink, 'u0', this.#host, 'up');
    lab.veth(this.#uplink, 'away', this.#host, 'out');
    // As in the demo a switch looks up where a guest is; here they all are behind one port.
    this.#known = join(folder, 'fdb.json');
    writeFileSync(this.#known, JSON.stringify({ mode: 'switch', fdb: guestsBehind('down') }));
  }

  /** CPU nanoseconds of each worker for a burst of so many packets, while it runs. */
  async #each(burst: number, port: string, more: readonly string[]): Promise<number[]> {
    const socket = `${this.#socket}-${this.#runs++}`;
    const ports = ['--config', this.#known, '--port', 'up=af_packet:up', '--port', port, ...more];
    const receiver = new ForwarderChild(this.#host, [...ports, '--control', socket]);
    let sender: ForwarderChild | null = null;
    try {
      await receiver.ready();
      const source = `src=${TRAFFIC},burst=${burst},rate=${burst * BURSTS_PER_SECOND}`;
      const out = ['--port', source, '--port', 'out=af_packet:u0', ...SINGLE, '--no-warm-up', '--no-control'];
      sender = new ForwarderChild(this.#uplink, out);
      await sender.ready();
      await sleep(SETTLE_MS);
      const before = await ask<Summary>(socket, 'GET', '/stats');
      await sleep(LOOK_MS);
      const after = await ask<Summary>(socket, 'GET', '/stats');
      const bursts = (after.totals.received - before.totals.received) / burst;
      return after.workers.map(
        ({ cpuMs }, w) => (((cpuMs ?? 0) - (before.workers[w]!.cpuMs ?? 0)) * 1e6) / Math.max(1, bursts),
      );
    } finally {
      sender?.kill();
      receiver.kill();
    }
  }

  /** Of each worker: a burst of either size. */
  async sizes(port: string, more: readonly string[]): Promise<Sizes[]> {
    const few = await this.#each(BURSTS[0], port, more);
    const many = await this.#each(BURSTS[1], port, more);
    return few.map((cpu, w) => [cpu, many[w]!]);
  }
}

/** One round of real packets, in namespaces of its own. */
async function realPackets(pair: Pair, add: (name: Name, value: number) => void): Promise<void> {
  const one = async (port: string) => (await pair.sizes(port, SINGLE))[0]!;
  const memory = await one(SINK);
  const receive = lineOf(memory);
  const tap = lineOf(less(await one('down=tap:cal0'), memory));
  const veth = lineOf(less(await one('down=af_packet:out'), memory));
  const [giver, taker] = await pair.sizes(SINK, ['--policy', 'rps:cpus=1', '--workers', '2']);
  const both = lineOf(less(plus(giver!, taker!), memory));
  const woken = Math.min(both.burst, lineOf(taker!).burst);
  add('receiveBurst', receive.burst);
  add('receive', receive.packet);
  add('tapCall', tap.burst);
  add('tapSend', tap.packet);
  add('vethCall', veth.burst);
  add('vethSend', veth.packet);
  add('handBurst', both.burst - woken);
  add('wokenBurst', woken);
  add('handPacket', both.packet);
}

/** Figures of the forwarder, and what could not be measured. `progress` is told what is measured. */
export async function measureLive(
  progress: (what: string) => void,
): Promise<{ measurements: Measurement[]; unmeasured: Unmeasured[] }> {
  const unmeasured: Unmeasured[] = [];
  const leave = (names: readonly Name[], why: string) => {
    for (const name of names) unmeasured.push({ name, about: ABOUT[name], why });
  };
  if (loadNative() === null) {
    leave(['engine', 'handOff', ...REAL], nativeProblem());
    return { measurements: [], unmeasured };
  }
  const samples: Partial<Record<Name, number[]>> = {};
  const add = (name: Name, value: number) => {
    samples[name] ??= [];
    samples[name].push(value);
  };
  const problem = labProblem();
  if (problem === '') sweepDead();
  const lab = problem === '' ? new Lab() : null;
  const folder = ownFolder();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      progress(`forwarding, round ${round + 1} of ${ROUNDS}`);
      const across = (policy: string) =>
        slope(FULL, (packets) =>
          forward(
            [`up=${TRAFFIC},burst=32,packets=${packets}`, SINK],
            ['--policy', policy, '--workers', '2'],
          ),
        );
      const own = await across('single');
      add('engine', own);
      add('handOff', (await across('rps:cpus=1')) - own);
      if (lab === null) continue;
      progress(`real packets, round ${round + 1} of ${ROUNDS}`);
      await realPackets(new Pair(lab, round, folder), add);
    }
  } finally {
    lab?.close();
    rmSync(folder, { recursive: true, force: true });
  }
  if (lab === null) leave(REAL, problem);
  const measurements = (Object.entries(samples) as [Name, number[]][]).map(([name, values]) =>
    measurementOf(name, ABOUT[name], values),
  );
  return { measurements, unmeasured };
}
