/**
 * What a calibration measures with the forwarder itself: CPU time of a packet between memory ports at full rate; and at
 * the pace of the demo, of a burst and of a packet: received from a packet socket, sent into a tap and a veth interface,
 * handed from one worker to another.
 *
 * Promise: each figure is CPU time of the workers over the frames they received. What a burst costs beyond its packets is
 * the line through bursts of two sizes; what a call costs that sends is the difference between the same packets to one
 * guest and to several, so that it is that of a further call of a worker that runs, as in the demo. Sockets and taps lie
 * in network namespaces of this process (`calibrate-lab.ts`), which are removed; without root they are told as not
 * measured.
 */
import { rmSync } from 'node:fs';
import { loadNative, nativeProblem } from '../addon/native.js';
import { type Disturbance, isQuiet } from '../calibrate/quiet.js';
import { type Measurement, measurementOf, type Unmeasured } from '../calibrate/samples.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { BURSTS, CalibrationLab, DEMO, SINK as NOWHERE, TAPS, VETHS } from './calibrate-lab.js';
import { ForwarderChild } from './child.js';
import { GUESTS } from './demo-lab.js';
import { Lab, labProblem, ownFolder, sweepDead } from './lab.js';

/** At full rate nobody sleeps. A run of one length less one of another is a figure: starting and warming up are in both. */
const FULL = { short: 400_000, long: 1_600_000 } as const;
const ROUNDS = 3;
const TRAFFIC = `memory:source,flows=64,guests=${GUESTS}`;
const SINK = 'down=memory:sink';

const ABOUT = {
  engine: 'a packet through the forwarder between memory ports, on one worker at full rate',
  handOff: 'a packet handed to another worker, at full rate',
  receiveBurst: 'waking for a burst from a veth interface, receiving it, sleeping again',
  receive: 'a packet of it: receiving, deciding, accounting',
  tapCall: 'sending into a tap: a call',
  tapSend: 'a packet of it, with what the other side does with it',
  vethCall: 'sending into a veth interface: a call',
  vethSend: 'a packet of it, with what the other side does with it',
  handBurst: 'handing a burst to another worker that sleeps: what the one pays that hands over',
  wokenBurst: 'waking for a burst from another worker, sleeping again',
  handPacket: 'a packet of it, on both workers together',
  demoBurst: 'a burst of the demo under one worker as a whole, as a check: no cost follows from it',
} as const;
type Name = keyof typeof ABOUT;
const REAL = [
  ...(['receiveBurst', 'receive', 'tapCall', 'tapSend', 'vethCall', 'vethSend'] as const),
  ...(['handBurst', 'wokenBurst', 'handPacket', 'demoBurst'] as const),
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

/** What a call costs, and a packet of it: the same burst to one guest and to several, less what it costs to get it. */
function callOf(nowhere: number, one: number, several: number, guests: number): Line {
  const many = BURSTS[1];
  const all = Math.max(0, one - nowhere);
  const burst = Math.min(all, Math.max(0, (several - one) / (guests - 1)));
  return { burst, packet: (all - burst) / many };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** One round of real packets. */
async function realPackets(lab: CalibrationLab, add: (name: Name, value: number) => void): Promise<void> {
  const sizes = BURSTS.map((burst) => ({ burst, guests: NOWHERE.length }));
  const single = { policy: 'single' };
  const received = (await lab.measure({ ports: NOWHERE, ...single }, sizes)).map(sum) as [number, number];
  const sent = async (ports: readonly string[]) => {
    const traffics = [1, ports.length].map((guests) => ({ burst: BURSTS[1], guests }));
    const [one, several] = (await lab.measure({ ports, ...single }, traffics)).map(sum) as [number, number];
    return callOf(received[1], one, several, ports.length);
  };
  const veth = await sent(VETHS);
  const tap = await sent(TAPS);
  const handed = await lab.measure({ ports: NOWHERE, policy: 'rps:cpus=1' }, sizes);
  const [few, many] = handed as [number[], number[]];
  const receive = lineOf(received);
  const both = lineOf([sum(few) - received[0], sum(many) - received[1]]);
  const woken = Math.min(both.burst, lineOf([few[1]!, many[1]!]).burst);
  const demo = await lab.measure({ ports: DEMO, ...single }, [{ burst: BURSTS[1], guests: DEMO.length }]);
  add('demoBurst', sum(demo[0]!));
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

/**
 * Figures of the forwarder, what could not be measured, and how disturbed the machine was where it was not quiet.
 * `progress` is told what is measured.
 */
export async function measureLive(
  progress: (what: string) => void,
): Promise<{ measurements: Measurement[]; unmeasured: Unmeasured[]; disturbed: Disturbance | null }> {
  const unmeasured: Unmeasured[] = [];
  const leave = (names: readonly Name[], why: string) => {
    for (const name of names) unmeasured.push({ name, about: ABOUT[name], why });
  };
  if (loadNative() === null) {
    leave(['engine', 'handOff', ...REAL], nativeProblem());
    return { measurements: [], unmeasured, disturbed: null };
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
  let real: CalibrationLab | null = null;
  try {
    if (lab !== null) real = new CalibrationLab(lab, folder);
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
      if (real === null) continue;
      progress(`real packets, round ${round + 1} of ${ROUNDS}`);
      await realPackets(real, add);
    }
  } finally {
    lab?.close();
    rmSync(folder, { recursive: true, force: true });
  }
  if (lab === null) leave(REAL, problem);
  const measurements = (Object.entries(samples) as [Name, number[]][]).map(([name, values]) =>
    measurementOf(name, ABOUT[name], values),
  );
  const disturbed = real === null || isQuiet(real.worst) ? null : real.worst;
  return { measurements, unmeasured, disturbed };
}
