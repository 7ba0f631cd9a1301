/**
 * A result of a sweep over scenarios, as a line; and what many of them say together.
 *
 * Promise: plain data; pure. Cells that differ by their seed only are one row, judged by their mean. Within a scenario
 * rows are ranked by throughput; where that differs by less than a hundredth, by the CPU of an operation.
 */
import { z } from '../vendor/zod.js';
import type { ResultKind } from './result-lines.js';

/** One cell's result. */
export interface ScenarioLine {
  readonly key: string;
  readonly scenario: string;
  readonly policy: string;
  readonly costs: string;
  readonly seed: number;
  /** Values that the sweep set in the scenario, by their paths. */
  readonly options: Readonly<Record<string, string>>;
  /** Operations a second, and what they are. */
  readonly throughput: number;
  readonly unit: string;
  readonly ci95: readonly number[];
  readonly busyShare: number;
  readonly usPerOperation: number;
  /** CPU time by class, and events of an operation, as in a simulation's result. */
  readonly classes: Readonly<Record<string, number>>;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly perPacket: Readonly<Record<string, number>>;
  readonly dropped: number;
  readonly reordered: number;
  /** Null where it was not asked for, or nothing limits. */
  readonly limit: string | null;
  readonly digest: string;
}

const numbers = z.record(z.string(), z.number());

/** For result files. */
export const scenarioLineSchema: z.ZodType<ScenarioLine> = z.object({
  ...{ key: z.string().length(32), scenario: z.string(), policy: z.string(), costs: z.string() },
  ...{
    seed: z.number(),
    options: z.record(z.string(), z.string()),
    throughput: z.number(),
    unit: z.string(),
  },
  ...{ ci95: z.array(z.number()), busyShare: z.number(), usPerOperation: z.number(), classes: numbers },
  ...{ p50Us: z.number(), p99Us: z.number(), perPacket: numbers, dropped: z.number(), reordered: z.number() },
  ...{ limit: z.string().nullable(), digest: z.string() },
});

export const scenarioResults: ResultKind<ScenarioLine> = {
  schema: scenarioLineSchema,
  names: ['scenario', 'policy', 'costs', 'seed', 'options'],
};

/** Cells that differ by their seed only. */
export interface ScenarioRow {
  readonly lines: readonly ScenarioLine[];
  /** Means over the seeds. */
  readonly throughput: number;
  readonly usPerOperation: number;
  readonly busyShare: number;
  readonly p99Us: number;
  /** Least and most throughput of the seeds. */
  readonly range: readonly [number, number];
}

/** The rows of one scenario, best first. */
export interface ScenarioSection {
  readonly scenario: string;
  readonly rows: readonly ScenarioRow[];
}

/** Throughputs that are as good as equal. */
const ALIKE = 0.01;

function rowOf(lines: readonly ScenarioLine[]): ScenarioRow {
  const mean = (of: (line: ScenarioLine) => number) =>
    lines.reduce((sum, line) => sum + of(line), 0) / lines.length;
  const values = lines.map(({ throughput }) => throughput);
  return {
    lines,
    throughput: mean((line) => line.throughput),
    usPerOperation: mean((line) => line.usPerOperation),
    busyShare: mean((line) => line.busyShare),
    p99Us: mean((line) => line.p99Us),
    range: [Math.min(...values), Math.max(...values)],
  };
}

/** Best first: by throughput in steps of a hundredth below the best, then by CPU. */
function ranked(rows: readonly ScenarioRow[]): ScenarioRow[] {
  const most = Math.max(...rows.map(({ throughput }) => throughput), 1e-9);
  const step = ({ throughput }: ScenarioRow) => Math.floor((1 - throughput / most) / ALIKE + 1e-9);
  return [...rows].sort((a, b) => step(a) - step(b) || a.usPerOperation - b.usPerOperation);
}

/** Scenarios in the order of their lines, rows best first. */
export function scenarioSections(lines: readonly ScenarioLine[]): ScenarioSection[] {
  const scenarios = [...new Set(lines.map(({ scenario }) => scenario))];
  return scenarios.map((scenario) => {
    const groups = new Map<string, ScenarioLine[]>();
    for (const line of lines) {
      if (line.scenario !== scenario) continue;
      const name = JSON.stringify([line.policy, line.costs, line.options]);
      groups.set(name, [...(groups.get(name) ?? []), line]);
    }
    return { scenario, rows: ranked([...groups.values()].map(rowOf)) };
  });
}

/** What tells the rows of a sweep apart: the policy, costs where there are several, paths that were varied. */
export function axesOf(
  lines: readonly ScenarioLine[],
): { title: string; of: (line: ScenarioLine) => string }[] {
  const paths = [...new Set(lines.flatMap(({ options }) => Object.keys(options)))];
  const hasCosts = new Set(lines.map(({ costs }) => costs)).size > 1;
  return [
    { title: 'policy', of: ({ policy }) => policy },
    ...(hasCosts ? [{ title: 'costs', of: ({ costs }: ScenarioLine) => costs }] : []),
    ...paths.map((path) => ({ title: path, of: ({ options }: ScenarioLine) => options[path] ?? '-' })),
  ];
}
