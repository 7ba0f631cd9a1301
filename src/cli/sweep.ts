/**
 * `rxsteer sweep`: a grid of captures, policies, NICs, queue counts, keys and seeds, each cell replayed; or of scenarios
 * of the simulator, each cell run. `rxsteer sweep merge` joins the results of several machines.
 *
 * Promise: results are appended to `--out` as they come, so an interrupted sweep goes on where it was; standard output
 * has the table, or with `--json` one line a result. Everything is checked before the first cell.
 */
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import { captureSweep } from './sweep-captures.js';
import { type MergeFlags, mergeFiles } from './sweep-merge.js';
import type { SweepFlags } from './sweep-options.js';
import { runSweep } from './sweep-run.js';

/** Options that belong to scenarios. */
const OF_SCENARIOS = ['costs', 'duration', 'limit'] as const;

async function run(captures: string[], flags: SweepFlags): Promise<void> {
  if (flags.scenario !== undefined) {
    const { scenarioSweep } = await import('./sweep-scenarios.js');
    await runSweep(scenarioSweep(captures, flags), flags);
    return;
  }
  for (const name of OF_SCENARIOS) {
    if (flags[name] !== undefined)
      throw new UserError(`--${name}: goes with --scenario, not with captures`, { code: 'RXS_OPTION' });
  }
  await runSweep(await captureSweep(captures, flags), flags);
}

/** Flags of `merge`: those that it shares with `sweep` come as that command's. @throws UserError for its other ones */
function mergeFlags(merge: Command): MergeFlags {
  const given = merge.optsWithGlobals<MergeFlags>();
  const own = new Set(merge.options.map((option) => option.attributeName()));
  const foreign = merge.parent!.options.find(
    (option) => !own.has(option.attributeName()) && Object.hasOwn(given, option.attributeName()),
  );
  if (foreign !== undefined)
    throw new UserError(`${foreign.long}: goes with a sweep, not with sweep merge`, { code: 'RXS_OPTION' });
  if (given.out === undefined)
    throw new UserError("required option '--out <file>' not specified", { code: 'RXS_OPTION' });
  return given;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const sweep = program.command('sweep');
  sweep
    .helpCommand(false)
    .description('replay captures through a grid of policies, NICs, queue counts, keys and seeds')
    .argument('[capture...]', 'captures (or in the --grid file)')
    .option('--grid <file>', 'YAML: captures, policies, nics, queues, keys, seeds; flags replace its axes')
    .option('--policy <policy>', 'a policy; may be given several times', (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option('--nics <list>', 'NICs for rss and pools: ice-e810,mlx5')
    .option('--queues <list>', 'queue counts: 2,4-8; CPUs for rps and rfs, workers for the others')
    .option('--keys <list>', 'hash keys: names, hex, or random (from the seed)')
    .option(
      '--vary <key=list>',
      'any other option of the policies: hash=linux,toeplitz (several)',
      (text, all: string[] = []) => [...all, text],
    )
    .option('--seeds <list>', 'seeds, for policies that draw something: 1-10')
    .option(
      '--scenario <file|preset>',
      "instead of captures: scenarios of simulate (several); --vary's keys are paths in them",
      (text, all: string[] = []) => [...all, text],
    )
    .option('--costs <list>', 'of scenarios: sets of costs, files or names')
    .option('--duration <ms>', 'of scenarios: virtual time measured')
    .option('--limit', 'of scenarios: find what limits each: several times as long')
    .option('--direction <which>', 'packets that count: in, out or both, as in replay')
    .option('--to <list>', 'only packets to these addresses, as in replay')
    .option('--filter <expression>', 'only packets that a pcap-filter expression takes, as in replay')
    .option('--workers <n>', 'number of workers (default: from each policy)')
    .option('--speed <factor>', 'virtual time runs so many times as fast as the capture (default: 1)')
    .option('--gap <us>', 'so many microseconds between packets, for captures without useful times')
    .option('--model <costs>', 'service times, as in replay')
    .option('--apps <where>', 'where applications run, as in replay')
    .option('--out <file>', 'append results as JSON lines; a file that is there is gone on with')
    .option('--parquet <file>', 'write the results as Parquet')
    .option('--html <file>', 'write a report as one self-contained page')
    .option('--shard <i/n>', 'compute part I of N only, of equal expected cost; merge joins the parts')
    .option('--queue <url>', 'workers compute (rxsteer worker): redis://HOST:PORT[/DB]')
    .option('--cache <folder>', 'where captures behind http:// are kept (default: ~/.cache/rxsteer)')
    .option('--top <n>', 'rows of each table (default: 20 in all)')
    .option('--jobs <n>', 'threads (default: the processors)')
    .option('--json', 'one JSON document a line on standard output')
    .action(run);
  sweep
    .command('merge')
    .description('join the result files of shards, and say what is missing')
    .argument('<file...>', 'result files, each with its plan (FILE.plan) beside it')
    .option('--out <file>', 'where all results go (needed); what is there counts as one more part')
    .option('--parquet <file>', 'write the results as Parquet')
    .option('--html <file>', 'write a report as one self-contained page')
    .option('--top <n>', 'rows of each table (default: 20 in all)')
    .option('--json', 'one JSON document a line on standard output')
    .action((files: string[], _: object, merge: Command) => mergeFiles(files, mergeFlags(merge)));
}
