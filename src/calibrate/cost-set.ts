/**
 * From what was measured to a set of costs, as a file that `--costs` takes.
 *
 * Promise: pure. What was not measured is taken from the named set and listed as such. Where one measurement stands for
 * several costs, or for a part of one, the file says how.
 */
import type { PartialCosts } from '../simulate/costs/schema.js';
import { costSet } from '../simulate/costs/sets.js';
import type { Distance } from './machine.js';
import type { Measured } from './measure.js';
import type { Disturbance } from './quiet.js';
import type { Measurement, Unmeasured } from './samples.js';

/** A calibration: what was measured, and the costs that follow. */
export interface Calibration {
  readonly machine: string;
  readonly measurements: readonly Measurement[];
  readonly unmeasured: readonly Unmeasured[];
  readonly costs: PartialCosts & { readonly base: string };
  /** How disturbed the machine was at worst by others; null = it was quiet. */
  readonly disturbed: Disturbance | null;
  /** How each cost follows, one line each. */
  readonly derivations: readonly string[];
}

/** Costs in the unit of the file with as many digits as they deserve. */
const neat = (value: number) => Number(Math.max(0, value).toPrecision(3));

/** Costs of all distances: the measured one, the others in the proportions of the base. */
function scaled(base: Readonly<Record<Distance, number>>, at: Distance, value: number) {
  const factor = value / base[at];
  return Object.fromEntries(
    Object.entries(base).map(([distance, cost]) => [distance, neat(cost * factor)]),
  ) as Record<Distance, number>;
}

/** The set that follows from measurements, over a named one. @throws UserError for a set that does not exist */
export function calibrationOf(
  machine: string,
  { measurements, unmeasured, distance }: Measured,
  baseName: string,
  disturbed: Disturbance | null = null,
): Calibration {
  const base = costSet(baseName).costs;
  const known = new Map(measurements.map(({ name, median }) => [name, median]));
  const costs: Record<string, unknown> = {};
  const derivations: string[] = [];
  /** Sets a cost where all that it follows from is known. */
  const set = (cost: string, from: readonly string[], how: string, of: (...values: number[]) => unknown) => {
    const values = from.map((name) => known.get(name));
    if (values.some((value) => value === undefined)) return;
    costs[cost] = of(...(values as number[]));
    derivations.push(`${cost}: ${how}`);
  };
  set('wakeLocal', ['systemCall'], 'a system call', neat);
  set('contextSwitch', ['contextSwitch', 'systemCall'], 'less the wake-up in it', (all, call) =>
    neat(all! - call!),
  );
  set('wakeRemote', ['wakeRemote'], 'as measured', neat);
  if (!known.has('handBurst')) {
    set('ipiSend', ['wakeRemote', 'systemCall'], 'a wake-up less its system call', (all, call) =>
      neat(all! - call!),
    );
  }
  const isLive = known.has('receiveBurst');
  if (isLive) {
    set(
      'ipiSend',
      ['handBurst'],
      'a burst handed to a worker that sleeps, less what it pays for its own',
      neat,
    );
    set('idleExit', ['wokenBurst'], 'a worker woken by another one: until it sleeps again', neat);
    set('idleExitDevice', ['receiveBurst'], 'a worker woken by a device: until it sleeps again', neat);
  }
  const way = isLive ? 0 : base.idleExit;
  set(
    'ipiLatency',
    ['wakeLatency', 'wakeRemote', 'contextSwitch'],
    `until the thread runs, less what the waker pays, the switch${isLive ? '' : ", and the set's way out of idle"}`,
    (all, paid, change) => neat(all! - paid! - change! - way),
  );
  if (isLive) {
    Object.assign(costs, { ipiReceive: 0, hardIrq: 0, softirqEntry: 0, bridge: 0 });
    derivations.push(
      'ipiReceive, hardIrq, softirqEntry: in idleExit and idleExitDevice; bridge: in driverReceive',
    );
  } else set('ipiReceive', ['contextSwitch'], 'a switch', neat);
  set('eventfd', ['systemCall'], 'a system call', neat);
  if (!isLive) set('tunCall', ['systemCall'], 'a system call', neat);
  const handed = isLive ? 'handPacket' : 'handOff';
  if (known.has(handed)) {
    set(
      'steer',
      [handed],
      'a packet handed to another worker, lines included; asking is in driverReceive',
      neat,
    );
    costs.lines = { backlog: 0 };
    derivations.push('lines.backlog: in steer');
  } else set('steer', ['steer'], 'as measured', neat);
  set('copyByte', ['copyByte'], "the other node in the set's proportion", (byte) => ({
    local: neat(byte!),
    remote: neat((byte! * base.copyByte.remote) / base.copyByte.local),
  }));
  if (distance !== null) {
    const how = `measured at distance ${distance}, the others in the set's proportions`;
    set('line', ['line'], how, (value) => scaled(base.line, distance, value!));
    set('handOver', ['handOver'], how, (value) => scaled(base.handOver, distance, value!));
  }
  set('driverReceive', ['receive'], 'receiving from a packet socket, deciding, accounting', neat);
  set('tapEnqueue', ['tapSend'], 'sending into a tap', neat);
  set('tunCall', ['tapCall'], 'a call', neat);
  set('vethEnqueue', ['vethSend'], 'sending into a veth interface', neat);
  set('vethCall', ['vethCall'], 'a call', neat);
  return { machine, measurements, unmeasured, disturbed, derivations, costs: { base: baseName, ...costs } };
}

const figure = ({ name, about, median, low, high, samples }: Measurement) => {
  const [m, l, h] = [median, low, high].map((value) => Number(value.toPrecision(3))) as [
    number,
    number,
    number,
  ];
  return `${name}: ${m} ns (quartiles ${l} to ${h}, ${samples} samples): ${about}`;
};

/** What is said of a machine that was not quiet. */
export function disturbanceText({ others, slowdown }: Disturbance): string {
  const share = `${(100 * others).toFixed(0)} % of the CPUs`;
  return `other programs took up to ${share} meanwhile, and the CPU was up to ${(100 * slowdown).toFixed(0)} % slower than at best: figures may be too high; measure again when the machine does nothing else`;
}

/** What is said above the costs, one line each. */
export function calibrationLines({
  machine,
  measurements,
  unmeasured,
  disturbed,
  derivations,
  costs,
}: Calibration): string[] {
  return [
    `costs of ${machine}`,
    ...(disturbed === null ? [] : [disturbanceText(disturbed)]),
    '',
    ...measurements.map(figure),
    ...unmeasured.map(({ name, about, why }) => `${name}: not measured (${why}): ${about}`),
    '',
    ...derivations,
    `all others are those of the set ${costs.base}`,
  ];
}
