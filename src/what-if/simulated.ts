/** What the simulator says of a fix. */
import { round } from '../view.js';

/** One run. */
export interface SimulatedRun {
  readonly packetsPerSecond: number;
  /** 95 % interval. */
  readonly ci95: readonly [number, number];
  readonly cpuUsPerPacket: number;
  readonly ipisPerPacket: number;
  readonly p99Us: number;
  /** Packets lost in the window. */
  readonly dropped: number;
  /** Of the run: `rxsteer simulate` gives the same for the same scenario. */
  readonly digest: string;
}

/** The host as it is and with the fix, under one load. */
export interface SimulatedLoad {
  /** `limit`: as much as it can do; `now`: what arrives now. */
  readonly load: 'limit' | 'now';
  readonly before: SimulatedRun;
  readonly after: SimulatedRun;
  /** Packets a second after over before; null where the difference is within chance, or the load is given. */
  readonly gain: number | null;
}

/** All that is said of a fix. */
export interface Simulated {
  /** The set of costs. They are not measured on this host. */
  readonly costs: string;
  readonly loads: readonly SimulatedLoad[];
  /** What no fact told. */
  readonly assumed: readonly string[];
}

const kilo = (value: number) => {
  const k = value / 1000;
  return k < 10 ? k.toPrecision(2) : String(Math.round(k));
};

function lineOf({ load, before, after, gain }: SimulatedLoad): string {
  const perPacket = [
    `${round(before.cpuUsPerPacket)} -> ${round(after.cpuUsPerPacket)} us of CPU`,
    `${round(before.ipisPerPacket)} -> ${round(after.ipisPerPacket)} IPIs a packet`,
    `p99 ${round(before.p99Us)} -> ${round(after.p99Us)} us`,
  ].join(', ');
  if (load === 'now') return `at ${kilo(before.packetsPerSecond)} k packets/s as now: ${perPacket}`;
  const speed =
    gain === null
      ? `no difference beyond chance (${kilo(before.packetsPerSecond)}, ${kilo(after.packetsPerSecond)} k packets/s)`
      : `${kilo(before.packetsPerSecond)} -> ${kilo(after.packetsPerSecond)} k packets/s (${gain.toFixed(2)} x)`;
  return `at the limit: ${speed}; ${perPacket}`;
}

/** For people. */
export function simulatedLines({ costs, loads, assumed }: Simulated): string[] {
  return [...loads.map(lineOf), `costs of set ${costs}, not measured here; assumed: ${assumed.join('; ')}`];
}
