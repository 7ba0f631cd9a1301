/** What the simulator says of a fix, as data and as lines. */
import { round } from '../host/view.js';

/** One run. */
export interface SimulatedRun {
  /** Operations a second, and their 95 % interval. */
  readonly perSecond: number;
  readonly ci95: readonly [number, number];
  /** Of an operation. */
  readonly cpuUs: number;
  readonly ipis: number;
  readonly wakeups: number;
  readonly lockWaitNs: number;
  readonly p99Us: number;
  /** Packets lost in the window. */
  readonly dropped: number;
  /** What limits; null where it was not looked for, or nothing does by itself. */
  readonly limit: { readonly kind: string; readonly name: string } | null;
  /** `rxsteer simulate` gives the same for the same scenario. */
  readonly digest: string;
}

/** The host as it is and with the fix, under one load. */
export interface SimulatedLoad {
  /** `limit`: as much as it can do; `now`: what arrived between the readings. */
  readonly load: 'limit' | 'now';
  /** Of an operation: `packets/s`, `transactions/s`. */
  readonly unit: string;
  readonly before: SimulatedRun;
  readonly after: SimulatedRun;
  /** Operations a second, after over before; null where the difference is within chance, or the load is given. */
  readonly gain: number | null;
}

/** All that is said of a fix. */
export interface Simulated {
  /** The set of costs, or the file. */
  readonly costs: string;
  readonly loads: readonly SimulatedLoad[];
  /** What no fact told. */
  readonly assumed: readonly string[];
}

/** A fix that could have been simulated, and was not. */
export interface NotSimulated {
  readonly notSimulated: string;
}

/** What is said of a finding's fix. */
export type Expectation = { readonly simulated: Simulated } | NotSimulated;

/** Three digits, with a k. */
function kilo(value: number): string {
  const k = value / 1000;
  return k >= 100 ? String(Math.round(k)) : k.toPrecision(k < 10 ? 2 : 3);
}

/** `0.53 -> 0.31 IPIs`, or `0.53 IPIs`. */
function change(before: number, after: number, what: string): string | null {
  const [a, b] = [round(before), round(after)];
  if (a === 0 && b === 0) return null;
  return `${a === b ? a : `${a} -> ${b}`} ${what}`;
}

function lineOf({ load, unit, before, after, gain }: SimulatedLoad): string {
  const one = unit.replace(/s?\/s$/, '');
  const each = [
    change(before.cpuUs, after.cpuUs, 'us of CPU'),
    change(before.ipis, after.ipis, 'IPIs'),
    change(before.wakeups, after.wakeups, 'wake-ups'),
    change(before.lockWaitNs, after.lockWaitNs, 'ns of waiting for locks'),
  ].filter((part) => part !== null);
  const tail = [
    `p99 ${round(before.p99Us)} -> ${round(after.p99Us)} us`,
    ...(before.dropped + after.dropped > 0 ? [`dropped ${before.dropped} -> ${after.dropped}`] : []),
  ].join(', ');
  const costs = `${each.join(', ')} a ${one}; ${tail}`;
  if (load === 'now') return `simulated at ${kilo(before.perSecond)} k ${unit} as now: ${costs}`;
  const speed = `${kilo(before.perSecond)} -> ${kilo(after.perSecond)} k ${unit}`;
  const gained = gain === null ? `${speed}, no difference beyond chance` : `${speed} (${gain.toFixed(2)} x)`;
  return `simulated at the limit: ${gained}; ${costs}${limitText(before, after)}`;
}

function limitText(before: SimulatedRun, after: SimulatedRun): string {
  const name = ({ limit }: SimulatedRun) => limit?.name ?? 'no part alone';
  if (before.limit === null && after.limit === null) return '';
  return `; limit: ${name(before) === name(after) ? name(before) : `${name(before)} -> ${name(after)}`}`;
}

/** For people: a line for each load, and what it rests on. */
export function expectedLines(expected: Expectation): string[] {
  if ('notSimulated' in expected) return [`not simulated: ${expected.notSimulated}`];
  const { costs, loads, assumed } = expected.simulated;
  return [...loads.map(lineOf), `costs: ${costs}; assumed: ${assumed.join('; ')}`];
}
