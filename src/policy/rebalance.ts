/**
 * The automatic rebalancer: when load is worth moving, and which.
 *
 * Promise: pure, and the same samples give the same advice. It acts only when workers have been uneven beyond a
 * threshold for several intervals in a row, only for a predicted gain that is worth a move, and within a budget of
 * moves; what is frozen stays. After moves it waits as many intervals again, so that it judges what it did by new
 * measurements. Buckets of an indirection table are moved in the manner of RSS++ (CoNEXT 2019, see
 * `nic/table-tools`); guests of MAC steering go to the least loaded worker until the fullest is within the bound.
 * One thing that is too heavy for every worker stays where it is: moving it would only move the problem.
 */
import { UserError } from '../errors.js';
import { IndirectionTable } from '../nic/indirection-table.js';
import { rebalance as balanceTable } from '../nic/table-tools.js';
import { nameFlows, placeFlows, type SeenFlow } from './census.js';
import { type FreezeList, isEmpty, isFrozen, NOTHING_FROZEN } from './freeze.js';
import type { GuestOwner } from './owners.js';
import type { RssSteering } from './rss.js';
import { fullestOverFair } from './spread.js';

/** When to act. All have defaults (`REBALANCE_DEFAULTS`). */
export interface RebalanceSettings {
  /** Uneven is when the fullest worker has more than so many times its fair share. */
  readonly threshold: number;
  /** Intervals in a row that workers must be uneven. */
  readonly intervals: number;
  /** Predicted relief of the fullest worker, in fair shares, below which nothing is done. */
  readonly gain: number;
  /** Buckets or guests moved at a time at most. */
  readonly moves: number;
  /** Moving ends when the fullest worker is within so many times its fair share. */
  readonly bound: number;
  /** Packets in an interval below which there is nothing to balance. */
  readonly least: number;
  readonly freeze: FreezeList;
}

export const REBALANCE_DEFAULTS: RebalanceSettings = {
  threshold: 1.25,
  intervals: 3,
  gain: 0.1,
  moves: 16,
  bound: 1.05,
  least: 1000,
  freeze: NOTHING_FROZEN,
};

/** Something that can be moved as a whole: a bucket, a guest. */
export interface MovableLoad {
  /** What it is called: `bucket 3`, `guest 02:00:00:00:00:01`. */
  readonly name: string;
  readonly worker: number;
  /** Packets in the interval. */
  readonly packets: number;
  readonly frozen: boolean;
}

/** One thing to another worker. */
export interface LoadMove {
  /** Index among the loads. */
  readonly index: number;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly packets: number;
}

/** What the workers did in one interval. */
export interface LoadSample {
  readonly workers: number;
  readonly loads: readonly MovableLoad[];
  /** Packets of each worker that belong to none of the loads. */
  readonly fixed?: readonly number[];
}

/** What to do now, and why. */
export interface Advice {
  /** True when moves are due. */
  readonly act: boolean;
  readonly moves: LoadMove[];
  /** Load of the fullest worker over its fair share: measured, and predicted after the moves. */
  readonly now: number;
  readonly predicted: number;
  /** Intervals in a row above the threshold, this one included. */
  readonly uneven: number;
  /** In words, one line. */
  readonly why: string;
}

/** @throws UserError for settings out of range, by name. */
export function checkRebalance(settings: RebalanceSettings): RebalanceSettings {
  const need = (holds: boolean, name: keyof RebalanceSettings, expected: string) => {
    if (!holds) throw new UserError(`rebalance ${name}=${String(settings[name])}: expected ${expected}`);
  };
  const whole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  need(settings.threshold >= 1 && settings.threshold <= 1000, 'threshold', 'a number from 1 to 1000');
  need(settings.bound >= 1 && settings.bound <= 1000, 'bound', 'a number from 1 to 1000');
  need(settings.bound <= settings.threshold, 'bound', `at most the threshold, ${settings.threshold}`);
  need(settings.gain >= 0 && settings.gain <= 1000, 'gain', 'a number from 0 to 1000');
  need(whole(settings.intervals, 1, 3600), 'intervals', 'a whole number from 1 to 3600');
  need(whole(settings.moves, 1, 65536), 'moves', 'a whole number from 1 to 65536');
  need(whole(settings.least, 0, 1e9), 'least', 'a whole number from 0 to 1000000000');
  return settings;
}

/** Load of each worker. */
export function workerLoads(sample: LoadSample): number[] {
  const totals = Array.from({ length: sample.workers }, (_, worker) => sample.fixed?.[worker] ?? 0);
  for (const { worker, packets } of sample.loads) totals[worker]! += packets;
  return totals;
}

/** The moves that bring the fullest worker within `bound` times its share, at most `most`, the best first. */
export function balanceLoads(sample: LoadSample, bound: number, most: number): LoadMove[] {
  const { workers, loads } = sample;
  if (loads.length === 0) return [];
  // What cannot be moved is one more load on each worker, frozen.
  const size = loads.length + workers;
  const table = new IndirectionTable(size, workers);
  const packets = new Float64Array(size);
  const frozen = new Set<number>();
  for (let i = 0; i < size; i++) {
    const load = loads[i];
    const worker = load?.worker ?? i - loads.length;
    table.set(i, worker);
    packets[i] = load?.packets ?? sample.fixed?.[worker] ?? 0;
    if (load === undefined || load.frozen) frozen.add(i);
  }
  const moves = balanceTable(table, packets, { moves: most, tolerance: bound - 1, frozen });
  return moves.map(({ bucket: index, from, to }) => ({
    index,
    name: loads[index]!.name,
    from,
    to,
    packets: loads[index]!.packets,
  }));
}

/** Watches samples and says when to move what. */
export class Rebalancer {
  readonly settings: RebalanceSettings;
  #uneven = 0;
  #rest = 0;

  /** @throws UserError see `checkRebalance`. */
  constructor(settings: Partial<RebalanceSettings> = {}) {
    this.settings = checkRebalance({ ...REBALANCE_DEFAULTS, ...settings });
  }

  /**
   * One interval has passed.
   * @param acts whether the caller carries moves out; then the next intervals are left to settle.
   */
  observe(sample: LoadSample, acts: boolean): Advice {
    const { threshold, intervals, gain, moves: most, bound, least } = this.settings;
    const totals = workerLoads(sample);
    const all = totals.reduce((a, b) => a + b, 0);
    const now = fullestOverFair(totals);
    const times = (value: number) => value.toFixed(2);
    const nothing = (why: string): Advice => ({
      ...{ act: false, moves: [], now, predicted: now },
      ...{ uneven: this.#uneven, why },
    });
    if (this.#rest > 0) {
      this.#rest--;
      this.#uneven = 0;
      return nothing('waiting to see what the last moves did');
    }
    if (all < least) {
      this.#uneven = 0;
      return nothing(`${all} packets in the interval: fewer than ${least}, nothing to balance`);
    }
    if (now <= threshold) {
      this.#uneven = 0;
      return nothing(`even enough: the fullest worker has ${times(now)} times its fair share`);
    }
    this.#uneven++;
    const fullest = totals.indexOf(Math.max(...totals));
    const state = `worker ${fullest} has ${times(now)} times its fair share`;
    if (this.#uneven < intervals) {
      return nothing(`${state}, for ${this.#uneven} of ${intervals} intervals`);
    }
    const moves = balanceLoads(sample, bound, most);
    if (moves.length === 0) return nothing(`${state}, and nothing that could move would make it better`);
    for (const { from, to, packets } of moves) {
      totals[from]! -= packets;
      totals[to]! += packets;
    }
    const predicted = fullestOverFair(totals);
    if (now - predicted < gain) {
      return nothing(`${state}; moving would make it ${times(predicted)}: not worth it (gain ${gain})`);
    }
    const uneven = this.#uneven;
    if (acts) {
      this.#uneven = 0;
      this.#rest = intervals;
    }
    return {
      act: true,
      moves,
      now,
      predicted,
      uneven,
      why: `${state} for ${uneven} intervals; ${moves.length === 1 ? '1 move brings' : `${moves.length} moves bring`} it to ${times(predicted)}`,
    };
  }
}

/** Loads of the buckets of a running rss policy (with its present table) in a census. Buckets without load are left out. */
export function bucketLoads(
  steering: RssSteering,
  workers: number,
  flows: readonly SeenFlow[],
  freeze: FreezeList,
): Required<LoadSample> & { readonly buckets: number[] } {
  const { bucket } = placeFlows(steering, flows);
  const names = isEmpty(freeze) ? null : nameFlows(flows);
  const packets = new Float64Array(steering.table.size);
  const frozen = new Set(freeze.buckets);
  const fixed = new Array<number>(workers).fill(0);
  flows.forEach((flow, i) => {
    const at = bucket[i]!;
    // What no type covers goes to queue 0 whatever the table says.
    if (at < 0) fixed[0]! += flow.packets;
    else packets[at]! += flow.packets;
    if (at >= 0 && names !== null && isFrozen(freeze, names[i]!)) frozen.add(at);
  });
  const buckets = [...packets.keys()].filter((at) => packets[at]! > 0);
  const loads = buckets.map((at) => ({
    name: `bucket ${at}`,
    worker: steering.table.entries[at]! % workers,
    packets: packets[at]!,
    frozen: frozen.has(at),
  }));
  // Queue q belongs to worker q mod workers: with fewer queues than workers the others get nothing from a table.
  return { workers: Math.min(workers, steering.queues), loads, fixed, buckets };
}

/** Loads of the guests of a running mac policy in a census: packets to a guest; the rest is its port's and stays. */
export function guestLoads(
  owners: readonly GuestOwner[],
  workers: number,
  flows: readonly SeenFlow[],
  freeze: FreezeList,
): Required<LoadSample> & { readonly guests: GuestOwner[] } {
  const index = new Map<string, number>();
  owners.forEach((guest, i) => {
    index.set(`${guest.mac}/${guest.vlan ?? '*'}`, i);
  });
  const packets = new Float64Array(owners.length);
  const frozen = new Set<number>();
  const fixed = new Array<number>(workers).fill(0);
  const names = nameFlows(flows);
  flows.forEach((flow, i) => {
    const name = names[i]!;
    const at = index.get(`${name.mac}/${name.vlan}`) ?? index.get(`${name.mac}/*`);
    if (at === undefined) fixed[Math.min(flow.worker, workers - 1)]! += flow.packets;
    else packets[at]! += flow.packets;
    if (at !== undefined && isFrozen(freeze, name)) frozen.add(at);
  });
  const guests = owners.filter((_, at) => packets[at]! > 0);
  const loads = [...owners.keys()]
    .filter((at) => packets[at]! > 0)
    .map((at) => ({
      name: `guest ${owners[at]!.mac}`,
      worker: owners[at]!.worker,
      packets: packets[at]!,
      frozen: frozen.has(at) || freeze.macs.has(owners[at]!.mac),
    }));
  return { workers, loads, fixed, guests };
}

/**
 * Queues for buckets that go to other workers: of a worker's queues (queue mod workers) the one with the fewest
 * entries.
 */
export function queueFor(steering: RssSteering, worker: number, workers: number): number {
  const counts = steering.table.counts();
  let best = -1;
  for (let queue = worker; queue < steering.queues; queue += workers) {
    if (best < 0 || counts[queue]! < counts[best]!) best = queue;
  }
  return best;
}
