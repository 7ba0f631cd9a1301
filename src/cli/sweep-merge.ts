/**
 * `rxsteer sweep merge`: result files of shards as one.
 *
 * Promise: `--out` gets each cell once, as a whole or not at all, and then tables, Parquet and page are those of a sweep
 * on one machine. Cells without a result are told, with exit code 1 behind what there is; two results for one cell,
 * parts of several sweeps and files that are no results with exit code 2 and nothing written. Parts are only read.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileProblem } from '../capture/format.js';
import { UserError } from '../errors.js';
import { type Merged, mergeResults } from '../sweep/merge.js';
import type { SweepLine } from '../sweep/result-file.js';
import type { ScenarioLine } from '../sweep/scenario-line.js';
import { noteLine, printJsonLine } from './output.js';
import { checkOutput } from './outputs.js';
import { tellCaptures } from './sweep-report.js';
import { topOption } from './sweep-run.js';
import { tellScenarios } from './sweep-scenario-report.js';

export interface MergeFlags {
  readonly out: string;
  readonly parquet?: string;
  readonly html?: string;
  readonly top?: string;
  readonly json?: boolean;
}

/** Writes the file as a whole. @throws UserError */
function replace(path: string, lines: Merged['lines']): void {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, lines.map(({ text }) => `${text}\n`).join(''));
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw fileProblem(path, error, 'write');
  }
}

/** Cells without a result, as one sentence. */
function incomplete({ plan, missing, absent }: Merged, out: string): Error {
  const shards =
    absent.length === 0
      ? ''
      : `; there is no file of shard${absent.length > 1 ? 's' : ''} ${absent.slice(0, 8).join(', ')}${absent.length > 8 ? ', …' : ''}`;
  const what = `${missing.length} of ${plan!.cells.length} cells have no result${shards}`;
  const error = new Error(
    `${what}; what there is was written: the sweep without --shard and with --out ${out} computes the rest`,
  );
  return Object.assign(error, { code: 'RXS_SWEEP_INCOMPLETE' });
}

/** Joins result files. @throws UserError where they do not go together, Error where cells are missing */
export async function mergeFiles(files: readonly string[], flags: MergeFlags): Promise<void> {
  const { out, parquet, html, json } = flags;
  const top = topOption(flags.top);
  checkOutput('--out', out, files);
  for (const [flag, path] of [
    ['--parquet', parquet],
    ['--html', html],
  ] as const) {
    if (path !== undefined) checkOutput(flag, path, [...files, out]);
  }
  // What an earlier merge left there is not lost.
  const merged = mergeResults(existsSync(out) ? [...files, out] : files);
  const { kind, lines, plan, duplicates, torn, missing } = merged;
  if (kind === 'scenarios' && parquet !== undefined) {
    throw new UserError('--parquet: goes with captures, not with --scenario', { code: 'RXS_OPTION' });
  }
  replace(out, lines);
  for (const path of torn) noteLine(`rxsteer: ${path}: its last line is torn and was left out`);
  const twice = duplicates > 0 ? `, ${duplicates} lines more were the same again` : '';
  noteLine(`rxsteer: ${out}: ${lines.length} cells${twice}`);
  if (plan === null) {
    noteLine('rxsteer: whether cells are missing is not known: no part has its plan (FILE.plan) beside it');
  }
  const known = plan === null ? null : new Set(plan.cells);
  const told = lines.map(({ line }) => line).filter(({ key }) => known?.has(key) !== false);
  if (json === true) for (const line of told) printJsonLine(line);
  const telling = { ...flags, top };
  if (kind === 'scenarios') await tellScenarios(told as ScenarioLine[], telling);
  else {
    const captures = [...new Set((told as SweepLine[]).map(({ capture }) => capture))];
    await tellCaptures(told as SweepLine[], captures, telling);
  }
  if (missing.length > 0) throw incomplete(merged, out);
}
