/**
 * Parts of a sweep joined into one result file.
 *
 * Promise: every cell once, its line as it stands in the part that has it first; a cell that several parts have must
 * have one result (names of captures and policies may differ), else nothing is joined. Where a part has its plan beside
 * it lines come in the order of the grid, and cells without a result are named; else the order is that of the parts.
 * Reads only.
 */
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../errors.js';
import type { z } from '../vendor/zod.js';
import { type PlanFile, readPlan, sameSweep } from './plan-file.js';
import { captureResults, type SweepLine } from './result-file.js';
import { type ResultKind, readResultLines, withFile } from './result-lines.js';
import { type ScenarioLine, scenarioResults } from './scenario-line.js';

type AnyLine = SweepLine | ScenarioLine;

/** What the parts of a sweep are together. */
export interface Merged {
  readonly kind: 'captures' | 'scenarios';
  /** Lines as they are written, and what they say. */
  readonly lines: readonly { readonly text: string; readonly line: AnyLine }[];
  /** The whole sweep, where a part has its plan. */
  readonly plan: PlanFile | null;
  /** Keys of cells of the plan that no part has. */
  readonly missing: readonly string[];
  /** Shards of the plan of which there is no part. */
  readonly absent: readonly string[];
  /** Lines that an earlier part has too. */
  readonly duplicates: number;
  /** Parts whose last line was torn. */
  readonly torn: readonly string[];
}

interface Found {
  readonly text: string;
  readonly line: AnyLine;
  readonly path: string;
}

const KINDS = { captures: captureResults, scenarios: scenarioResults } as const;
type KindName = keyof typeof KINDS;

function kindOf(value: unknown): KindName {
  return typeof value === 'object' && value !== null && 'scenario' in value ? 'scenarios' : 'captures';
}

/** What came out, without names. */
function outcome(line: AnyLine, kind: ResultKind<never>): object {
  return Object.fromEntries(Object.entries(line).filter(([name]) => !kind.names.includes(name)));
}

/** The plan of all parts. @throws UserError where they are of several sweeps */
function planOf(parts: readonly string[]): PlanFile | null {
  let first: { path: string; plan: PlanFile } | null = null;
  const shards = new Set<string>();
  for (const path of parts) {
    const plan = readPlan(path);
    if (plan === null) continue;
    if (first !== null && !sameSweep(first.plan, plan)) {
      throw new UserError(
        `${first.path} and ${path} are parts of different sweeps: their plans name other cells`,
        { code: 'RXS_SWEEP_CONFLICT' },
      );
    }
    first ??= { path, plan };
    for (const shard of plan.shards) shards.add(shard);
  }
  return first === null ? null : { cells: first.plan.cells, shards: [...shards] };
}

/** Shards that nobody has, where all parts are of one division. */
function absentShards({ shards }: PlanFile): string[] {
  const counts = [...new Set(shards.map((shard) => Number(shard.split('/')[1])))];
  if (counts.length !== 1) return [];
  const [count] = counts as [number];
  return Array.from({ length: count }, (_, i) => `${i + 1}/${count}`).filter(
    (shard) => !shards.includes(shard),
  );
}

/** @param parts result files. @throws UserError for files that are none, and for cells with several results */
export function mergeResults(parts: readonly string[]): Merged {
  const plan = planOf(parts);
  const found = new Map<string, Found>();
  const torn: string[] = [];
  const conflicts: string[] = [];
  let kind: KindName | null = null;
  let duplicates = 0;
  for (const path of parts) {
    const schemaOf = (value: unknown) => {
      const own = kindOf(value);
      kind ??= own;
      if (own !== kind) {
        throw new UserError(
          `${path}: has results of ${own}, the parts before it of ${kind}: merge them apart`,
        );
      }
      return KINDS[own].schema as z.ZodType<AnyLine>;
    };
    const read = withFile(path, (fd) =>
      readResultLines(fd, path, schemaOf, (text, line) => {
        const before = found.get(line.key);
        if (before === undefined) {
          found.set(line.key, { text, line, path });
          return;
        }
        duplicates++;
        const own = KINDS[kind!] as ResultKind<never>;
        if (isDeepStrictEqual(outcome(before.line, own), outcome(line, own))) return;
        conflicts.push(`${line.key} of ${before.path} and ${path}`);
      }),
    );
    if (read.torn > 0) torn.push(path);
  }
  if (conflicts.length > 0) {
    const more = conflicts.length > 1 ? `, and ${conflicts.length - 1} more cells` : '';
    throw new UserError(
      `two results for one cell: ${conflicts[0]}${more}: they were computed by different versions, or one was changed; nothing is written`,
      { code: 'RXS_SWEEP_CONFLICT' },
    );
  }
  const order = new Map((plan?.cells ?? []).map((key, i) => [key, i]));
  const place = ({ line }: Found) => order.get(line.key) ?? order.size;
  return {
    kind: kind ?? 'captures',
    lines: [...found.values()].sort((a, b) => place(a) - place(b)),
    plan,
    missing: (plan?.cells ?? []).filter((key) => !found.has(key)),
    absent: plan === null ? [] : absentShards(plan),
    duplicates,
    torn,
  };
}
