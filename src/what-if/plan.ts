/**
 * Which findings are simulated, and how.
 *
 * Promise: a finding is simulated where its fix changes the model of its device (`scenario.ts`): the host as it is and as
 * the fix leaves it, at the limit, and at the rate of the readings where something moves. Of each kind of finding one, and a
 * few in all: a run takes tens of milliseconds, and is as long as some thousand packets. Same facts, same scenarios. Pure.
 */
import type { Curable } from '../doctor.js';
import { after } from '../effects.js';
import { known } from '../fact.js';
import { guestPaths } from '../guest-table.js';
import type { Device, Host } from '../host.js';
import { BUSY_PPS, deviceNamed, nics, receivedPps } from '../view.js';
import { type Model, modelOf, type Part } from './scenario.js';
import type { SimulatedLoad } from './simulated.js';

/** A load under which both are run. */
export interface Planned {
  readonly load: SimulatedLoad['load'];
  readonly before: Part;
  readonly after: Part;
}

/** What is simulated for a finding. */
export interface Experiment extends Curable {
  readonly assumed: readonly string[];
  readonly planned: readonly Planned[];
}

/** Findings that are simulated. */
const EXPERIMENTS_MAX = 3;
/** Packets of a run. */
const PACKETS = 3000;
/** Packets a second that a CPU may get done, to say how long a run is. */
const CPU_PPS = 150_000;
const CLIENTS = 16;
const CLIENTS_MAX = 512;
/** More than this a second is no rate of one machine's: the counters are wrong. */
const PPS_MAX = 2e7;
const BYTES_MAX = 1500;
/** What is lost is asked for again. */
const RETRY_MS = 2;

/** All of them, worst first. */
export function planned(host: Host, curable: readonly Curable[]): Experiment[] {
  const found: Experiment[] = [];
  for (const one of curable) {
    if (found.length === EXPERIMENTS_MAX) break;
    if (found.some(({ finding }) => finding.id === one.finding.id)) continue;
    const experiment = experimentOf(host, one);
    if (experiment !== null) found.push(experiment);
  }
  return found;
}

function experimentOf(host: Host, curable: Curable): Experiment | null {
  const device = deviceOf(host, curable);
  if (device === null) return null;
  const cured = after(host, curable.effects);
  const before = modelOf(host, device);
  const then = modelOf(cured, deviceNamed(cured, device.name)!);
  if (!known(before) || !known(then)) return null;
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (same([before.parts, before.policy], [then.parts, then.policy])) return null;
  const loads = [limitLoad(host, device, before), nowLoad(host, device, before)].filter((load) => load !== null);
  const name = `${curable.finding.id} ${curable.finding.subject}`;
  return {
    ...curable,
    assumed: [...new Set([...before.assumed, ...then.assumed])],
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

/** Bytes of a packet, by the readings. */
function bytesOf(host: Host, device: Device): number {
  const rates = known(host.load) ? host.load.devices.get(device.name) : undefined;
  const { rx_bytes: bytes = 0, rx_packets: packets = 0 } = rates ?? {};
  return packets > 0 && bytes > 0 ? Math.round(Math.min(BYTES_MAX, Math.max(64, bytes / packets))) : 64;
}

interface Load {
  readonly load: SimulatedLoad['load'];
  readonly part: Part;
}

const rounded = (ms: number) => Number(ms.toPrecision(2));

/** Clients that ask as soon as they are answered. */
function limitLoad(host: Host, device: Device, { targets, cpus }: Model): Load {
  const busy = targets.length === 0 ? cpus : Math.min(cpus, 2 * targets.length);
  const durationMs = rounded(Math.min(20, Math.max(1, (1000 * PACKETS) / (busy * CPU_PPS))));
  const clients =
    targets.length === 0 ? Math.min(CLIENTS_MAX, CLIENTS * cpus) : Math.ceil(Math.min(CLIENTS, CLIENTS_MAX / targets.length));
  const part = { kind: 'closed', clients, bytes: bytesOf(host, device), retryMs: RETRY_MS };
  return { load: 'limit', part: { durationMs, warmupMs: Math.max(1, rounded(durationMs / 2)), load: [part] } };
}

/** What arrives: by guest, where their taps tell; null where hardly anything does. */
function nowLoad(host: Host, device: Device, { targets }: Model): Load | null {
  const total = receivedPps(host, device.name);
  if (!known(total) || total < BUSY_PPS || total > PPS_MAX) return null;
  const bytes = bytesOf(host, device);
  const rates = targets.map(({ tap }) => (known(host.load) ? (host.load.devices.get(tap)?.tx_packets ?? 0) : 0));
  const sum = rates.reduce((a, b) => a + b, 0);
  const open = (rate: number) => ({ kind: 'open', rate: Number(rate.toPrecision(3)), bytes, protocol: 'tcp' });
  const load =
    targets.length === 0
      ? [open(total)]
      : targets.flatMap(({ name }, i) => {
          const rate = sum > 0 ? (total * rates[i]!) / sum : total / targets.length;
          return rate < 1 ? [] : [{ ...open(rate), to: [name] }];
        });
  const durationMs = rounded(Math.min(100, Math.max(2, (1000 * PACKETS) / total)));
  return { load: 'now', part: { durationMs, warmupMs: rounded(durationMs / 4), load } };
}
