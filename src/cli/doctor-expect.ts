/**
 * What the fixes of a host would bring, for `rxsteer doctor`.
 *
 * Promise: loaded by its address and only where there is something to simulate: the simulator takes more memory than the
 * doctor, and is no part of its bundle. Files are written as a whole folder that was asked for. Main thread.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { UserError } from '../errors.js';
import type { Curable, Finding } from '../host/doctor.js';
import type { Host } from '../host/host.js';
import { fileFault, makeFolder } from '../text-file.js';
import { type CostsUsed, expectedOf, setOfCosts } from '../what-if/run.js';
import { type Expectation, expectedLines } from '../what-if/simulated.js';
import { note, Progress } from './output.js';
import { checkWritable } from './outputs.js';
import { costsOption } from './simulate-run.js';

/** Of the command. */
interface Options {
  readonly costs?: string;
  readonly scenario?: string;
}

/** What is said of fixes. */
export interface Expectations {
  readonly of: ReadonlyMap<Finding, Expectation>;
  readonly lines: ReadonlyMap<Finding, readonly string[]>;
}

// What `lean.ts` took from this process: the simulator runs long enough to be optimised.
for (const flag of ['--opt', '--sparkplug']) setFlagsFromString(flag);

/** @throws UserError for a name that no set has, and a file that holds no costs */
function costsUsed(text: string | undefined): CostsUsed {
  const costs = costsOption(text);
  return costs === undefined || typeof costs === 'string' ? setOfCosts(costs) : { name: text!, costs };
}

/** What is wrong with the options, before anything is read; makes the folder. @throws UserError */
export function checkOptions({ costs, scenario }: Options): void {
  costsUsed(costs);
  if (scenario === undefined) return;
  const place = `--scenario ${scenario}`;
  try {
    makeFolder(scenario);
  } catch (error) {
    throw new UserError(`${place}: ${fileFault(error)}`, { code: 'RXS_OUTPUT' });
  }
  checkWritable(place, scenario);
}

/**
 * Simulates, and writes the scenarios where a folder is named.
 * @throws UserError
 */
export async function expectations(
  host: Host,
  curable: readonly Curable[],
  { costs, scenario }: Options,
): Promise<Expectations> {
  const used = costsUsed(costs);
  const progress = new Progress('simulating');
  const { of, scenarios } = expectedOf(host, curable, used, (what) => progress.update(what));
  progress.done();
  if (scenario !== undefined) await writeScenarios(scenario, scenarios);
  return {
    of,
    lines: new Map([...of].map(([finding, said]) => [finding, expectedLines(said)])),
  };
}

async function writeScenarios(
  folder: string,
  scenarios: readonly (readonly [string, unknown])[],
): Promise<void> {
  const { stringify } = await import('yaml');
  try {
    for (const [name, content] of scenarios) {
      writeFileSync(
        join(folder, `${name}.yaml`),
        stringify(content, { lineWidth: 100, aliasDuplicateObjects: false }),
      );
    }
  } catch (error) {
    throw new UserError(`--scenario ${folder}: ${fileFault(error)}`, { code: 'RXS_OUTPUT' });
  }
  note(
    scenarios.length === 0
      ? `--scenario ${folder}: nothing was simulated`
      : `${folder}: ${scenarios.length} scenarios, for rxsteer simulate`,
  );
}
