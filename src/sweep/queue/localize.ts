/**
 * A job with the paths of this machine.
 *
 * Promise: every file that the job reads was compared first; what is a program is decided by the policy itself, not by
 * what the job says of it.
 */
import type { ScenarioInput } from '../../simulate/scenario/schema.js';
import type { ScenarioCell } from '../scenario-grid.js';
import type { SweepTask } from '../worker.js';
import { Refusal, type WorkerFiles } from './files.js';
import { type CellJob, policyFile, withPolicyFile } from './job.js';

type Policy = string | object;

async function localPolicy<P extends Policy>(policy: P, job: CellJob, files: WorkerFiles): Promise<P> {
  const named = policyFile(policy);
  if (named === null) return policy;
  // The job has its absolute path; the policy the one that was typed.
  const ref = job.files.find(
    ({ path }) => path === named.path || path.endsWith(`/${named.path.replace(/^\.\//, '')}`),
  );
  if (ref === undefined) throw new Refusal(`${named.path}: the job does not say what is in it`);
  return withPolicyFile(policy, await files.local({ ...ref, isCode: named.isCode }));
}

/** The task of jobs of one batch. @throws Refusal */
export async function localTask(
  jobs: readonly (CellJob & { kind: 'captures' })[],
  files: WorkerFiles,
): Promise<SweepTask> {
  const [first] = jobs;
  const capture = await files.local(first!.files[0]!);
  const policies: Policy[] = [];
  for (const job of jobs) policies.push(await localPolicy(job.task.policies[0]!, job, files));
  return { ...first!.task, capture, policies };
}

/** The cell of a scenario. @throws Refusal */
export async function localCell(
  job: CellJob & { kind: 'scenarios' },
  files: WorkerFiles,
): Promise<ScenarioCell> {
  const { cell } = job;
  const local = new Map<string, string>();
  for (const ref of job.files) {
    const named = (cell.input.load ?? []).find(({ file }) => file !== undefined && ref.path.endsWith(file));
    if (named?.file !== undefined) local.set(named.file, await files.local({ ...ref, isCode: false }));
  }
  const load = cell.input.load?.map((one) => {
    if (one.file === undefined) return one;
    const file = local.get(one.file);
    if (file === undefined) throw new Refusal(`${one.file}: the job does not say what is in it`);
    return { ...one, file };
  });
  const input = (load === undefined ? cell.input : { ...cell.input, load }) as ScenarioInput;
  const policy = cell.policy === null ? null : await localPolicy(cell.policy, job, files);
  return { ...cell, input, policy };
}
