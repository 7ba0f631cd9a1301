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
import { type GivenPolicy, policyFile, unfoldPolicy, withPolicyFile } from '../../policy/named-file.js';
import { mapPolicies } from '../../simulate/scenario/policies.js';
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

/** All policies of a scenario's cell, the one under test too. */
export function policiesOf({ input, policy }: Pick<ScenarioCell, 'input' | 'policy'>): GivenPolicy[] {
  const policies: GivenPolicy[] = policy === null ? [] : [policy];
  mapPolicies(input, (one) => policies.push(one));
  return policies;
}

/** Makes jobs of cells; each file is read once. */
export class JobMaker {
  readonly #known = new Map<string, Promise<FileRef>>();

  /** @param localOf where a capture that has an address is kept here */
  constructor(private readonly localOf: (name: string) => string = (name) => name) {}

  #file(name: string, isCode = false): Promise<FileRef> {
    const id = `${isCode} ${name}`;
    let known = this.#known.get(id);
    if (known === undefined) {
      const local = this.localOf(name);
      const path = local === name ? resolve(name) : name;
      known = contentDigest(local).then((content) => ({ path, ...content, isCode }));
      this.#known.set(id, known);
    }
    return known;
  }

  /** What each policy is on any machine: content for `@FILE`, a whole path for other files, which join `files`. */
  async #whole(policies: readonly GivenPolicy[], files: FileRef[]): Promise<Map<GivenPolicy, GivenPolicy>> {
    const whole = new Map<GivenPolicy, GivenPolicy>();
    for (const given of policies) {
      const policy = unfoldPolicy(given);
      const named = policyFile(policy);
      const ref = named === null ? null : await this.#file(named.path, named.isCode);
      if (ref !== null) files.push(ref);
      whole.set(given, ref === null ? policy : withPolicyFile(policy, ref.path));
    }
    return whole;
  }

  /** @throws UserError for a file that cannot be read */
  async ofCapture(cell: SweepCell, grid: SweepGrid): Promise<CellJob> {
    const capture = await this.#file(cell.capture);
    const { policies: given, ...rest } = taskOf([cell], grid);
    const files = [capture];
    const whole = await this.#whole(given, files);
    const policies = given.map((policy) => whole.get(policy)!);
    const task = { ...rest, capture: capture.path, policies };
    const batch = createHash('sha256')
      .update(JSON.stringify([capture.sha256, rest.workers, { ...rest, capture: '' }]))
      .digest('hex');
    return { kind: 'captures', batch, task, files };
  }

  /** @throws UserError for a file that cannot be read */
  async ofScenario(cell: ScenarioCell): Promise<CellJob> {
    const files: FileRef[] = [];
    const load = [];
    for (const one of cell.input.load ?? []) {
      const ref = one.file === undefined ? null : await this.#file(one.file);
      if (ref !== null) files.push(ref);
      load.push(ref === null ? one : { ...one, file: ref.path });
    }
    const policies = policiesOf(cell);
    const whole = await this.#whole(policies, files);
    const input = mapPolicies(cell.input, (policy) => whole.get(policy));
    const policy = cell.policy === null ? null : whole.get(cell.policy)!;
    const own = { ...cell, policy, input: cell.input.load === undefined ? input : { ...input, load } };
    return { kind: 'scenarios', cell: own as ScenarioCell, files };
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
