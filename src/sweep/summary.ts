/**
 * A sweep in a few lines: the best policies, and what each axis makes of the load.
 *
 * Promise: pure. Policies are ranked by the rule of replay/ranking, over their seeds, within one capture and one number
 * of workers: what eight workers do says nothing about what is best for two.
 */
import { type Measured, rank, usedWorkers as used, withoutSeed } from '../replay/ranking.js';
import type { SweepLine } from './result-file.js';

/** What ranking needs of a cell. */
export interface Rankable {
  readonly capture: string;
  readonly policy: string;
  readonly workers: number;
  readonly seed?: number | null;
  /** Of the packets, and of the busiest CPU's time. */
  readonly reorderedRatio: number;
  readonly busiest?: number;
  readonly backlogDrops?: number;
  readonly packets: number;
  readonly fullestOverFair: number;
  readonly handoffsPerPacket: number;
  readonly wakeupsPerPacket: number;
}

/** A policy over its seeds, in its place. */
export interface SweepPlace<L extends Rankable> {
  /** The policy without its seed where there are several, else as it is. */
  readonly name: string;
  readonly lines: readonly L[];
  readonly mean: Measured;
  /** The least and the most busy busiest CPU of its seeds. */
  readonly range: readonly [number, number];
}

/** What can be ranked against each other: cells of one capture and one number of workers. */
export interface SweepSection<L extends Rankable> {
  readonly capture: string;
  readonly workers: number;
  /** Best first. */
  readonly places: readonly SweepPlace<L>[];
}

/** Workers' worth of traffic, were receiving free. */
export function usedWorkers(one: Pick<Measured, 'workers' | 'fullestOverFair'>): number {
  return used(one);
}

function measured(line: Rankable): Measured {
  return {
    name: withoutSeed(line.policy),
    workers: line.workers,
    reordered: line.reorderedRatio,
    dropped: (line.backlogDrops ?? 0) / Math.max(1, line.packets),
    busiest: line.busiest ?? 0,
    fullestOverFair: line.fullestOverFair,
    handoffs: line.handoffsPerPacket,
    wakeups: line.wakeupsPerPacket,
  };
}

/** Sections in the order of their captures, few workers first. */
export function sweepSections<L extends Rankable>(lines: readonly L[]): SweepSection<L>[] {
  const captures = [...new Set(lines.map(({ capture }) => capture))];
  return captures.flatMap((capture) => {
    const own = lines.filter((line) => line.capture === capture);
    const counts = [...new Set(own.map(({ workers }) => workers))].sort((a, b) => a - b);
    return counts.map((workers) => {
      const these = own.filter((line) => line.workers === workers);
      const places = rank(these.map(measured)).map(({ members, mean, range }) => {
        const cells = members.map((i) => these[i]!);
        return { name: cells.length > 1 ? mean.name : cells[0]!.policy, lines: cells, mean, range };
      });
      return { capture, workers, places };
    });
  });
}

/** Cells best first within their capture and number of workers; those of one policy side by side. */
export function rankLines<L extends Rankable>(lines: readonly L[]): L[] {
  return sweepSections(lines).flatMap(({ places }) => places.flatMap((place) => place.lines));
}

/** One value of one axis. */
export interface AxisRow {
  readonly axis: string;
  readonly value: string;
  readonly cells: number;
  /** Fullest over fair: mean, best, worst. */
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

type Axis = readonly [axis: string, of: (line: SweepLine) => string | number | null];

const AXES: readonly Axis[] = [
  ['capture', (line) => line.capture],
  ['policy', (line) => line.base ?? nameOf(line.policy)],
  ['NIC', (line) => line.nic],
  ['queues', (line) => line.queues],
  ['key', (line) => line.hashKey],
  ['seed', (line) => line.seed],
];

/** A policy's kind. */
function nameOf(policy: string): string {
  if (!policy.startsWith('{')) return policy.split(':')[0]!;
  const { policy: name, name: other } = JSON.parse(policy) as Record<string, unknown>;
  return String(name ?? other);
}

/** Values of one axis that are told one by one; of more, the best and the worst of them. */
const VALUES_SHOWN = 40;
const ENDS = 5;

function axisRow(axis: string, value: string, all: readonly number[]): AxisRow {
  const sum = all.reduce((a, b) => a + b, 0);
  const [least, most] = all.reduce(
    ([low, high], one) => [Math.min(low!, one), Math.max(high!, one)],
    [Number.POSITIVE_INFINITY, 0],
  ) as [number, number];
  return { axis, value, cells: all.length, mean: sum / all.length, least, most };
}

/** Every axis that has more than one value; where there are very many, the best, the worst, and one row for the rest. */
export function axisRows(lines: readonly SweepLine[]): AxisRow[] {
  const options = [...new Set(lines.flatMap((line) => Object.keys(line.options ?? {})))];
  const axes: Axis[] = [...AXES, ...options.map((key): Axis => [key, (line) => line.options?.[key] ?? null])];
  return axes.flatMap(([axis, of]) => {
    const groups = new Map<string, number[]>();
    for (const line of lines) {
      const given = of(line);
      if (given === null) continue;
      const value = String(given);
      const group = groups.get(value);
      if (group === undefined) groups.set(value, [line.fullestOverFair]);
      else group.push(line.fullestOverFair);
    }
    if (groups.size < 2) return [];
    const rows = [...groups].map(([value, all]) => axisRow(axis, value, all));
    if (rows.length <= VALUES_SHOWN) return rows;
    const sorted = [...rows].sort((a, b) => a.mean - b.mean);
    const between = sorted.slice(ENDS, -ENDS);
    const rest = between.flatMap(({ value }) => groups.get(value)!);
    return [
      ...sorted.slice(0, ENDS),
      axisRow(axis, `${between.length} between`, rest),
      ...sorted.slice(-ENDS),
    ];
  });
}
