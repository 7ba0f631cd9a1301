/**
 * What a calibration measures with the forwarder itself: CPU time of a packet between memory ports, handed from one
 * worker to another, received from a packet socket, sent into a tap.
 *
 * Promise: each figure is CPU time of the workers over the frames they received. Sockets and taps lie in network
 * namespaces of this process, which are removed; without root those two are told as not measured.
 */
import { loadNative, nativeProblem } from '../addon/native.js';
import { type Measurement, measurementOf, type Unmeasured } from '../calibrate/samples.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { ForwarderChild } from './child.js';
import { Lab, labProblem, sweepDead } from './lab.js';

/**
 * Bursts of 32. Receiving is measured at the demo's rate, at which the worker sleeps between them: sleeping and waking
 * are in the figure. Sending is the difference of two runs, which needs more packets.
 * A run of one length less one of another is a figure: starting and warming up are in both.
 */
const RECEIVED = { rate: 25_000, short: 10_000, long: 35_000 } as const;
const SENT = { rate: 100_000, short: 20_000, long: 120_000 } as const;
/** At full rate nobody sleeps. */
const FULL = { short: 400_000, long: 1_600_000 } as const;
const ROUNDS = 2;
const TRAFFIC = 'memory:source,flows=64,guests=4,burst=32';
const SINK = 'down=memory:sink';
const SINGLE = ['--policy', 'single'] as const;

const ABOUT = {
  engine: 'a packet through the forwarder between memory ports, on one worker at full rate',
  handOff: 'a packet handed to another worker, at full rate',
  receive: 'a packet from a veth interface to memory: receiving, deciding, accounting',
  tapSend: 'sending a packet into a tap',
  vethSend: 'sending a packet into a veth interface',
} as const;
type Name = keyof typeof ABOUT;

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

const source = (packets: number, rate: number) =>
  `up=${TRAFFIC},packets=${packets}${rate > 0 ? `,rate=${rate}` : ''}`;

/** A forwarder until its source has ended. */
async function forward(
  namespace: string | null,
  ports: readonly string[],
  more: readonly string[],
): Promise<Spent> {
  const child = new ForwarderChild(namespace, [...ports.flatMap((port) => ['--port', port]), ...more]);
  try {
    return spentOf(await child.summary());
  } finally {
    child.kill();
  }
}

/** From an interface: a forwarder of another namespace sends. */
async function receive(uplink: string, host: string, packets: number): Promise<Spent> {
  const receiver = new ForwarderChild(host, ['--port', 'up=af_packet:up', '--port', SINK, ...SINGLE]);
  let sender: ForwarderChild | null = null;
  try {
    await receiver.ready();
    const ports = ['--port', source(packets, RECEIVED.rate), '--port', 'out=af_packet:u0'];
    sender = new ForwarderChild(uplink, [...ports, ...SINGLE, '--no-warm-up']);
    await sender.summary();
    return spentOf(await receiver.stop());
  } finally {
    receiver.kill();
    sender?.kill();
  }
}

/** One round of real packets, in namespaces of its own. */
async function realPackets(lab: Lab, round: number, add: (name: Name, value: number) => void): Promise<void> {
  const [uplink, host] = [lab.namespace(`up${round}`), lab.namespace(`host${round}`)];
  lab.veth(uplink, 'u0', host, 'up');
  const to = (port: string) =>
    slope(SENT, (packets) => forward(uplink, [source(packets, SENT.rate), port], SINGLE));
  const memory = await to(SINK);
  add('receive', await slope(RECEIVED, (packets) => receive(uplink, host, packets)));
  add('tapSend', (await to('down=tap:cal0')) - memory);
  add('vethSend', (await to('down=af_packet:u0')) - memory);
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
    leave(['engine', 'handOff', 'receive', 'tapSend', 'vethSend'], nativeProblem());
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
  try {
    for (let round = 0; round < ROUNDS; round++) {
      progress(`forwarding, round ${round + 1} of ${ROUNDS}`);
      const across = (policy: string) =>
        slope(FULL, (packets) =>
          forward(null, [source(packets, 0), SINK], ['--policy', policy, '--workers', '2']),
        );
      const own = await across('single');
      add('engine', own);
      add('handOff', (await across('rps:cpus=1')) - own);
      if (lab === null) continue;
      progress(`real packets, round ${round + 1} of ${ROUNDS}`);
      await realPackets(lab, round, add);
    }
  } finally {
    lab?.close();
  }
  if (lab === null) leave(['receive', 'tapSend', 'vethSend'], problem);
  const measurements = (Object.entries(samples) as [Name, number[]][]).map(([name, values]) =>
    measurementOf(name, ABOUT[name], values),
  );
  return { measurements, unmeasured };
}
