/**
 * A job with the paths of this machine.
 *
 * Promise: every file that the job reads was compared first; what is a program is decided by the policy itself, not by
 * what the job says of it.
 */
import { type GivenPolicy, policyFile, withPolicyFile } from '../../policy/named-file.js';
import { mapPolicies } from '../../simulate/scenario/policies.js';
import type { ScenarioInput } from '../../simulate/scenario/schema.js';
import type { ScenarioCell } from '../scenario-grid.js';
import type { SweepTask } from '../worker.js';
import { Refusal, type WorkerFiles } from './files.js';
import { type CellJob, policiesOf } from './job.js';

/** Where a file is here that the job names. @throws Refusal */
async function localFile(name: string, isCode: boolean, job: CellJob, files: WorkerFiles): Promise<string> {
  const ref = job.files.find(({ path }) => path === name);
  if (ref === undefined) throw new Refusal(`${name}: the job does not say what is in it`);
  return files.local({ ...ref, isCode });
}

async function localPolicy(policy: GivenPolicy, job: CellJob, files: WorkerFiles): Promise<GivenPolicy> {
  if (typeof policy === 'string' && policy.trim().startsWith('@')) {
    throw new Refusal(`${policy.trim().slice(1)}: the job does not say what is in it`);
  }
  const named = policyFile(policy);
  if (named === null) return policy;
  return withPolicyFile(policy, await localFile(named.path, named.isCode, job, files));
}

/** The task of jobs of one batch. @throws Refusal */
export async function localTask(
  jobs: readonly (CellJob & { kind: 'captures' })[],
  files: WorkerFiles,
): Promise<SweepTask> {
  const [first] = jobs;
  const capture = await files.local(first!.files[0]!);
  const policies: GivenPolicy[] = [];
  for (const job of jobs) policies.push(await localPolicy(job.task.policies[0]!, job, files));
  return { ...first!.task, capture, policies };
}

/** The cell of a scenario. @throws Refusal */
export async function localCell(
  job: CellJob & { kind: 'scenarios' },
  files: WorkerFiles,
): Promise<ScenarioCell> {
  const { cell } = job;
  const local = new Map<GivenPolicy, GivenPolicy>();
  for (const policy of policiesOf(cell)) local.set(policy, await localPolicy(policy, job, files));
  const mapped = mapPolicies(cell.input, (policy) => local.get(policy));
  const load = [];
  for (const one of mapped.load ?? []) {
    load.push(one.file === undefined ? one : { ...one, file: await localFile(one.file, false, job, files) });
  }
  const input = (mapped.load === undefined ? mapped : { ...mapped, load }) as ScenarioInput;
  return { ...cell, input, policy: cell.policy === null ? null : local.get(cell.policy)! };
}
