/**
 * The plan beside a shard's results: which cells the whole sweep has.
 *
 * Promise: `RESULTS.plan` names all cells of the sweep in the order of its grid and the shards whose results the file
 * has, so that whoever joins the parts knows what is missing. It is written as a whole or not at all. Without it results
 * are as good, but nobody knows of what.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';
import { readTextFile } from '../text-file.js';
import { z } from '../vendor/zod.js';
import { type Shard, shardText } from './shard.js';

export interface PlanFile {
  /** Shards whose results the file has, or will have: `2/8`. */
  readonly shards: readonly string[];
  /** Keys of all cells of the sweep, in the order of the grid. */
  readonly cells: readonly string[];
}

const planSchema = z.object({
  shards: z.array(z.string().regex(/^\d+\/\d+$/)),
  cells: z.array(z.string().length(32)).min(1),
});

export function planPath(results: string): string {
  return `${results}.plan`;
}

/** The plan beside a result file; null where there is none. @throws UserError */
export function readPlan(results: string): PlanFile | null {
  const path = planPath(results);
  let text: string;
  try {
    text = readTextFile(path, path, 'regular');
  } catch (error) {
    if (error instanceof UserError && /ENOENT/.test(error.message)) return null;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const result = planSchema.safeParse(value);
  if (!result.success) throw new UserError(`${path}: is no plan of a sweep: remove it`, { code: 'RXS_FILE' });
  return result.data;
}

/** Whether both are of one sweep, whatever the order in which it was written down. */
export function sameSweep(a: PlanFile, b: PlanFile): boolean {
  if (a.cells.length !== b.cells.length) return false;
  const known = new Set(a.cells);
  return b.cells.every((key) => known.has(key));
}

/** Writes the plan of a shard; a file that has results of other shards of this sweep keeps them. @throws UserError */
export function writePlan(results: string, shard: Shard, cells: readonly string[]): void {
  const path = planPath(results);
  const before = readPlan(results);
  const own = { shards: [shardText(shard)], cells };
  const shards =
    before !== null && sameSweep(before, own) ? [...new Set([...before.shards, ...own.shards])] : own.shards;
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, `${JSON.stringify({ shards, cells })}\n`);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw fileProblem(path, error, 'write');
  }
}
