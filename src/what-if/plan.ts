/**
 * Which findings are simulated, and how.
 *
 * Promise: a finding is simulated where its fix changes the model of its device (`scenario.ts`): the host as it is and as
 * the fix leaves it, at the limit, and at the rate of the readings where something moves. Of each kind of finding one, and a
 * few in all: a run takes tens of milliseconds, and is as long as some thousand packets. Same facts, same scenarios. Pure.
 */
import type { Curable, Finding } from '../host/doctor.js';
import { after } from '../host/effects.js';
import { type Fact, known, unknown } from '../host/fact.js';
import { guestPaths } from '../host/guest-table.js';
import type { Device, Host } from '../host/host.js';
import { BUSY_PPS, deviceNamed, nics, receivedPps } from '../host/view.js';
import { type Model, modelOf, type Part } from './scenario.js';
import type { SimulatedLoad } from './simulated.js';

/** A load under which both are run. */
export interface Planned {
  readonly load: SimulatedLoad['load'];
  readonly before: Part;
  readonly after: Part;
}

/** What is simulated for a finding. */
export interface Experiment {
  readonly finding: Finding;
  readonly assumed: readonly string[];
  readonly planned: readonly Planned[];
  /** The host before and after: equal for fixes that do the same. */
  readonly difference: string;
}

/** All that is simulated, and what is not though its fix is known. */
export interface Plan {
  readonly experiments: readonly Experiment[];
  readonly left: readonly { readonly finding: Finding; readonly why: string }[];
}

/** Findings that are simulated. */
const EXPERIMENTS_MAX = 4;
/** Packets of a run. */
const PACKETS = 3000;
/** Packets a second that a CPU may get done, to say how long a run is. */
const CPU_PPS = 150_000;
const CLIENTS = 16;
const CLIENTS_MAX = 512;
/** More than this a second is no rate of one machine's: the counters are wrong. */
const PPS_MAX = 2e7;
const BYTES_MIN = 64;
const BYTES_MAX = 1500;
/** What is lost is asked for again. */
const RETRY_MS = 2;

/** All of them, worst first. */
export function planned(host: Host, curable: readonly Curable[]): Plan {
  const experiments: Experiment[] = [];
  const left: { finding: Finding; why: string }[] = [];
  for (const one of curable) {
    const { finding } = one;
    const alike = experiments.find((experiment) => experiment.finding.id === finding.id);
    if (alike !== undefined) {
      left.push({ finding, why: `one of its kind is, ${alike.finding.subject}` });
      continue;
    }
    const experiment = experimentOf(host, one);
    if (experiment === null) continue;
    if (!known(experiment)) left.push({ finding, why: experiment.unknown });
    else if (experiments.some(({ difference }) => difference === experiment.difference)) {
      const same = experiments.find(({ difference }) => difference === experiment.difference)!;
      left.push({ finding, why: `its fix does the same as that of ${same.finding.id}` });
    } else if (experiments.length === EXPERIMENTS_MAX) {
      left.push({ finding, why: `the ${EXPERIMENTS_MAX} worst are` });
    } else experiments.push(experiment);
  }
  return { experiments, left };
}

/** Null where the fix changes nothing that is modelled. */
function experimentOf(host: Host, curable: Curable): Fact<Experiment | null> {
  const { finding, effects } = curable;
  const device = deviceOf(host, curable);
  if (device === null) return unknown('it is about no NIC that is seen here');
  const cured = after(host, effects);
  const before = modelOf(host, device);
  if (!known(before)) return before;
  const then = modelOf(cured, deviceNamed(cured, device.name)!);
  if (!known(then)) return then;
  const [was, is] = [before, then].map(({ parts, policy }) => JSON.stringify([parts, policy]));
  if (was === is) return null;
  const loads = [limitLoad(host, device, before), nowLoad(host, device, before)].filter(
    (load) => load !== null,
  );
  const name = `${finding.id} ${finding.subject}`;
  return {
    finding,
    difference: `${was} ${is}`,
    assumed: [...new Set([...loads.flatMap(({ assumed }) => assumed), ...before.assumed, ...then.assumed])],
    planned: loads.map(({ load, part }) => ({
      load,
      before: scenario(before, part, `${name}, ${load}, as it is`),
      after: scenario(then, part, `${name}, ${load}, with the fix`),
    })),
  };
}

/** The NIC that a finding is about: its device's, or the uplink of the guest or tap that it names. */
function deviceOf(host: Host, { device, finding }: Curable): Device | null {
  const name = device ?? finding.subject.split(' ')[0]!;
  const own = nics(host).find((nic) => nic.name === name);
  if (own !== undefined) return own;
  return guestPaths(host).find(({ guest, tap }) => guest.name === name || tap?.name === name)?.uplink ?? null;
}

function scenario({ parts, policy }: Model, load: Part, about: string): Part {
  return { name: 'doctor', about, ...(policy === null ? {} : { policies: [policy] }), ...parts, ...load };
}

/** Bytes of a packet, by the readings; null where they do not tell. */
function bytesOf(host: Host, device: Device): number | null {
  const rates = known(host.load) ? host.load.devices.get(device.name) : undefined;
  const { rx_bytes: bytes = 0, rx_packets: packets = 0 } = rates ?? {};
  return packets > 0 && bytes > 0
    ? Math.round(Math.min(BYTES_MAX, Math.max(BYTES_MIN, bytes / packets)))
    : null;
}

interface Load {
  readonly load: SimulatedLoad['load'];
  readonly part: Part;
  readonly assumed: readonly string[];
}

const rounded = (ms: number) => Number(ms.toPrecision(2));

/** Clients that ask as soon as they are answered. */
function limitLoad(host: Host, device: Device, { targets, cpus }: Model): Load {
  const busy = targets.length === 0 ? cpus : Math.min(cpus, 2 * targets.length);
  const durationMs = rounded(Math.min(20, Math.max(1, (1000 * PACKETS) / (busy * CPU_PPS))));
  const clients =
    targets.length === 0
      ? Math.min(CLIENTS_MAX, CLIENTS * cpus)
      : Math.ceil(Math.min(CLIENTS, CLIENTS_MAX / targets.length));
  const bytes = bytesOf(host, device);
  const part = { kind: 'closed', clients, bytes: bytes ?? BYTES_MIN, retryMs: RETRY_MS };
  return {
    load: 'limit',
    part: { durationMs, warmupMs: Math.max(1, rounded(durationMs / 2)), load: [part] },
    assumed: [
      `at the limit ${clients} clients${targets.length > 1 ? ' of each guest' : ''} ask anew as soon as they are answered`,
      ...(bytes === null ? [`packets of ${BYTES_MIN} bytes`] : []),
    ],
  };
}

/** What arrives: by guest, where their taps tell; null where hardly anything does. */
function nowLoad(host: Host, device: Device, { targets }: Model): Load | null {
  const total = receivedPps(host, device.name);
  if (!known(total) || total < BUSY_PPS || total > PPS_MAX) return null;
  const bytes = bytesOf(host, device) ?? BYTES_MIN;
  const rates = targets.map(({ tap }) =>
    known(host.load) ? (host.load.devices.get(tap)?.tx_packets ?? 0) : 0,
  );
  const sum = rates.reduce((a, b) => a + b, 0);
  const open = (rate: number) => ({
    kind: 'open',
    rate: Number(rate.toPrecision(3)),
    bytes,
    protocol: 'tcp',
  });
  const load =
    targets.length === 0
      ? [open(total)]
      : targets.flatMap(({ name }, i) => {
          const rate = sum > 0 ? (total * rates[i]!) / sum : total / targets.length;
          return rate < 1 ? [] : [{ ...open(rate), to: [name] }];
        });
  const durationMs = rounded(Math.min(100, Math.max(2, (1000 * PACKETS) / total)));
  const isAverage = known(host.load) && host.load.since !== 'sample';
  return {
    load: 'now',
    part: { durationMs, warmupMs: rounded(durationMs / 4), load },
    assumed: [
      `now 64 TCP flows${targets.length > 1 ? ' a guest' : ''}, evenly, at random times`,
      ...(isAverage ? ['the rate is the average since boot'] : []),
      ...(targets.length > 1 && sum === 0 ? ['each guest gets as much'] : []),
    ],
  };
}
