/**
 * Jobs of a queue: a cell, the files that it reads, and the answer.
 *
 * Promise: a job holds all that a worker needs but the files' content, which it names by path and SHA-256; what comes
 * out of Redis is checked before it is believed. A cell's key is the job's id, so that a cell that two sweeps want is
 * computed once.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { fileProblem } from '../../capture/format.js';
import { parsePolicy } from '../../policy/parse.js';
import { z } from '../../vendor/zod.js';
import type { SweepCell, SweepGrid } from '../grid.js';
import type { SweepLine } from '../result-file.js';
import { lineOf, taskOf } from '../run.js';
import type { ScenarioCell } from '../scenario-grid.js';
import type { ScenarioLine } from '../scenario-line.js';
import type { Measures, SweepTask } from '../worker.js';

/** A file that a cell reads: where the coordinator has it, and what is in it. */
export interface FileRef {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** Whether its content is a program, which workers run only where they are told that they may. */
  readonly isCode: boolean;
}

export type CellJob =
  | {
      readonly kind: 'captures';
      /** Jobs of one batch may share a pass over the capture. */
      readonly batch: string;
      readonly task: SweepTask;
      readonly files: readonly FileRef[];
    }
  | { readonly kind: 'scenarios'; readonly cell: ScenarioCell; readonly files: readonly FileRef[] };

/** What a worker found out, and which it was. */
export type CellAnswer = { readonly worker: string } & (
  | { readonly measures: Measures; readonly capture: string }
  | { readonly line: ScenarioLine }
);

const fileSchema = z.object({
  path: z.string(),
  size: z.number(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  isCode: z.boolean(),
});
const files = z.array(fileSchema);
const policy = z.union([z.string(), z.looseObject({})]);

const jobSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('captures'),
    batch: z.string(),
    task: z.looseObject({ capture: z.string(), policies: z.array(policy).length(1) }),
    files: files.min(1),
  }),
  z.object({
    kind: z.literal('scenarios'),
    cell: z.looseObject({ key: z.string(), input: z.looseObject({}), policy: policy.nullable() }),
    files,
  }),
]);

/** A job as it came out of Redis; null for what is none. */
export function parseJob(data: unknown): CellJob | null {
  const result = jobSchema.safeParse(data);
  return result.success ? (result.data as unknown as CellJob) : null;
}

/** SHA-256 of a file. @throws UserError */
export async function contentDigest(path: string): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
  } catch (error) {
    throw fileProblem(path, error);
  }
  return { size, sha256: hash.digest('hex') };
}

/** The file that a policy names: a module of the user's, or what ethtool printed. */
export function policyFile(given: string | object): { path: string; isCode: boolean } | null {
  const { policy: name, file, ethtool } = given as Record<string, string | undefined>;
  if (typeof given === 'object') {
    if (name === 'js' && file !== undefined) return { path: file, isCode: true };
    return ethtool === undefined ? null : { path: ethtool, isCode: false };
  }
  if (/^\s*js:/.test(given)) {
    const spec = parsePolicy(given, { files: 'regular' });
    return spec.policy === 'js' ? { path: spec.file, isCode: true } : null;
  }
  const path = /[:,]\s*ethtool=([^,]+)/.exec(given)?.[1];
  return path === undefined ? null : { path: path.trim(), isCode: false };
}

/** A policy with another path for its file. */
export function withPolicyFile<P extends string | object>(given: P, path: string): P {
  const before = policyFile(given);
  if (before === null) return given;
  if (typeof given === 'string') return given.replace(before.path, () => path) as P;
  return { ...(given as object), [before.isCode ? 'file' : 'ethtool']: path } as P;
}

/** Makes jobs of cells; each file is read once. */
export class JobMaker {
  readonly #known = new Map<string, Promise<FileRef>>();

  /** @param localOf where a capture that has an address is kept here */
  constructor(private readonly localOf: (name: string) => string = (name) => name) {}

  #file(name: string, isCode = false): Promise<FileRef> {
    let known = this.#known.get(name);
    if (known === undefined) {
      const local = this.localOf(name);
      const path = local === name ? resolve(name) : name;
      known = contentDigest(local).then((content) => ({ path, ...content, isCode }));
      this.#known.set(name, known);
    }
    return known;
  }

  async #policyFiles(policies: readonly (string | object | null)[]): Promise<FileRef[]> {
    const named = policies.flatMap((one) => (one === null ? [] : (policyFile(one) ?? [])));
    return Promise.all(named.map(({ path, isCode }) => this.#file(path, isCode)));
  }

  /** @throws UserError for a file that cannot be read */
  async ofCapture(cell: SweepCell, grid: SweepGrid): Promise<CellJob> {
    const capture = await this.#file(cell.capture);
    const { policies, ...rest } = taskOf([cell], grid);
    const task = { ...rest, capture: capture.path, policies };
    const batch = createHash('sha256')
      .update(JSON.stringify([capture.sha256, rest.workers, { ...rest, capture: '' }]))
      .digest('hex');
    return { kind: 'captures', batch, task, files: [capture, ...(await this.#policyFiles(policies))] };
  }

  /** @throws UserError for a file that cannot be read */
  async ofScenario(cell: ScenarioCell): Promise<CellJob> {
    const named = (cell.input.load ?? []).flatMap(({ file }) => (file === undefined ? [] : [file]));
    const captures = await Promise.all(named.map((file) => this.#file(file)));
    return { kind: 'scenarios', cell, files: [...captures, ...(await this.#policyFiles([cell.policy]))] };
  }
}

/** An answer as a line of the cell that this call names; null where it is none. */
export function captureLine(cell: SweepCell, answer: CellAnswer): SweepLine | null {
  return 'measures' in answer ? lineOf(cell, answer.measures, answer.capture) : null;
}

export function scenarioLine(cell: ScenarioCell, answer: CellAnswer): ScenarioLine | null {
  if (!('line' in answer)) return null;
  const { scenario, text, costs, seed, options } = cell;
  return { ...answer.line, scenario, policy: text, costs, seed, options };
}
