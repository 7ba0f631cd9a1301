/**
 * A sweep in a few lines: the best cells, and what each axis makes of the load.
 *
 * Promise: pure. "Used" is the number of workers' worth of this traffic that a policy puts to use: all packets over
 * those of the fullest worker; it compares cells with different numbers of workers.
 */
import type { SweepLine } from './result-file.js';

/** Workers' worth of traffic. */
export function usedWorkers({ workers, fullestOverFair }: SweepLine): number {
  return fullestOverFair === 0 ? 0 : workers / fullestOverFair;
}

/** Best first: what reorders least, then what uses most workers, then the cheaper one. */
export function rankLines(lines: readonly SweepLine[]): SweepLine[] {
  return [...lines].sort(
    (a, b) =>
      a.reorderedPackets - b.reorderedPackets ||
      usedWorkers(b) - usedWorkers(a) ||
      a.handoffsPerPacket - b.handoffsPerPacket ||
      a.wakeupsPerPacket - b.wakeupsPerPacket,
  );
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

const AXES = [
  ['capture', 'capture'],
  ['NIC', 'nic'],
  ['queues', 'queues'],
  ['key', 'hashKey'],
  ['seed', 'seed'],
] as const;

/** Values of one axis that are told one by one. */
const VALUES_SHOWN = 12;

function axisRow(axis: string, value: string, all: readonly number[]): AxisRow {
  const sum = all.reduce((a, b) => a + b, 0);
  const [least, most] = all.reduce(
    ([low, high], one) => [Math.min(low!, one), Math.max(high!, one)],
    [Number.POSITIVE_INFINITY, 0],
  ) as [number, number];
  return { axis, value, cells: all.length, mean: sum / all.length, least, most };
}

/** Every axis that has more than one value; where there are many, one row for all of them. */
export function axisRows(lines: readonly SweepLine[]): AxisRow[] {
  return AXES.flatMap(([axis, field]) => {
    const groups = new Map<string, number[]>();
    for (const line of lines) {
      if (line[field] === null) continue;
      const value = String(line[field]);
      const group = groups.get(value);
      if (group === undefined) groups.set(value, [line.fullestOverFair]);
      else group.push(line.fullestOverFair);
    }
    if (groups.size < 2) return [];
    if (groups.size > VALUES_SHOWN)
      return [axisRow(axis, `${groups.size} values`, [...groups.values()].flat())];
    return [...groups].map(([value, all]) => axisRow(axis, value, all));
  });
}
