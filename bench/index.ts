/**
 * The benchmarks, as `rxsteer bench` sees them.
 *
 * Promise: suites run one after the other. What was measured is kept: a suite that fails is a line in `failures`, and
 * the next one runs; an interrupt ends the run after the suite has cleaned up, with what there is.
 */
import { UserError, unknownName } from '#rxsteer/errors.js';
import { flowVsMac } from './flow-vs-mac.js';
import { forward } from './forward.js';
import { guests } from './guests.js';
import { hostile } from './hostile.js';
import { live } from './live.js';
import { describeMachine } from './machine.js';
import { parse } from './parse.js';
import { peers } from './peers.js';
import { pipeline } from './pipeline.js';
import { policies } from './policies.js';
import { replay } from './replay.js';
import { ring } from './ring.js';
import type { BenchOptions, Report, Suite } from './runner.js';
import { scaling } from './scaling.js';
import { simulate } from './simulate.js';
import { sweep } from './sweep.js';
import { toeplitz } from './toeplitz.js';
import { xdp } from './xdp.js';

export const SUITES: readonly Suite[] = [
  toeplitz,
  parse,
  policies,
  replay,
  ring,
  pipeline,
  flowVsMac,
  scaling,
  simulate,
  sweep,
  forward,
  live,
  peers,
  xdp,
  guests,
  hostile,
];

/**
 * The suites of these names, in the order of `SUITES`; all of them for none. `SUITE/PART` is a suite that runs this part
 * of it only. Throws UserError.
 */
export function chooseSuites(names: readonly string[]): Suite[] {
  const known = SUITES.flatMap(({ name, parts = [] }) => [name, ...parts.map((part) => `${name}/${part}`)]);
  for (const name of names) if (!known.includes(name)) throw unknownName('suite', name, known);
  if (names.length === 0) return [...SUITES];
  return SUITES.flatMap((suite) => {
    if (names.includes(suite.name)) return [suite];
    const parts = (suite.parts ?? []).filter((part) => names.includes(`${suite.name}/${part}`));
    return parts.length === 0 ? [] : [{ ...suite, run: (options) => suite.run({ ...options, parts }) }];
  });
}

/** Runs suites and collects their reports. */
export async function runSuites(suites: readonly Suite[], options: BenchOptions): Promise<Report> {
  const report: Report = { machine: describeMachine(), results: [], ratios: [], notes: [], failures: [] };
  for (const suite of suites) {
    if (options.signal.aborted) {
      report.failures.push(`${suite.name}: not run: interrupted`);
      continue;
    }
    try {
      const { results, ratios, notes, failures = [] } = await suite.run(options);
      report.results.push(...results);
      report.ratios.push(...ratios);
      report.notes.push(...notes);
      report.failures.push(...failures);
    } catch (error) {
      // A wrong call is told at once.
      if (error instanceof UserError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      report.failures.push(message.startsWith(`${suite.name}: `) ? message : `${suite.name}: ${message}`);
    }
  }
  return report;
}

export { compareReports, readReport } from './compare.js';
export { renderComparison, renderReport } from './report.js';
