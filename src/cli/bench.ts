/**
 * `rxsteer bench`: runs benchmark suites and prints what they measured.
 *
 * The suites are no part of the program: they lie in bench/ and are compiled to dist/bench/, which an installed
 * package does not have. So they are loaded by address when the command runs.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import { note, printJson } from './output.js';

interface BenchSuite {
  readonly name: string;
  readonly about: string;
}

/** What dist/bench/index.js exports. */
interface BenchModule {
  readonly SUITES: readonly BenchSuite[];
  chooseSuites(names: readonly string[]): BenchSuite[];
  runSuites(suites: readonly BenchSuite[], options: object): Promise<{ readonly results: readonly object[] }>;
  renderReport(report: object): string;
  readReport(file: string): object;
  compareReports(file: string, old: object, results: readonly object[]): object;
  renderComparison(comparison: object): string;
}

interface BenchFlags {
  readonly json?: boolean;
  readonly quick?: boolean;
  readonly rounds?: string;
  readonly list?: boolean;
  readonly compare?: string;
}

const ROUNDS_MAX = 1000;

async function load(): Promise<BenchModule> {
  const url = new URL('../bench/index.js', import.meta.url);
  if (!existsSync(url)) {
    throw new UserError('the benchmarks are not built: run `npm run setup` in a checkout of rxsteer');
  }
  return (await import(url.href)) as BenchModule;
}

function parseRounds(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > ROUNDS_MAX) {
    throw new UserError(`--rounds ${text}: expected a whole number from 1 to ${ROUNDS_MAX}`);
  }
  return value;
}

async function bench(names: string[], flags: BenchFlags): Promise<void> {
  const rounds = parseRounds(flags.rounds);
  const module = await load();
  const suites = module.chooseSuites(names);
  if (flags.list === true) {
    for (const { name, about } of suites) process.stdout.write(`${name.padEnd(12)} ${about}\n`);
    return;
  }
  // Before the hour that a run may take.
  const { compare } = flags;
  const old = compare === undefined ? null : { file: compare, report: module.readReport(compare) };
  const abort = new AbortController();
  let interrupts = 0;
  const onSignal = () => {
    // The first one lets the suite clean up; children die with this process in any case.
    interrupts++;
    if (interrupts > 1) process.exit(130);
    abort.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const report = await module.runSuites(suites, {
      quick: flags.quick === true,
      rounds,
      signal: abort.signal,
      progress: note,
    });
    const comparison = old === null ? null : module.compareReports(old.file, old.report, report.results);
    if (flags.json === true) printJson(comparison === null ? report : { ...report, comparison });
    else {
      process.stdout.write(module.renderReport(report));
      if (comparison !== null) process.stdout.write(`\n${module.renderComparison(comparison)}`);
    }
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('bench')
    .description('run benchmarks: all suites, or those named')
    .argument('[suite...]', 'names of suites (--list shows them)')
    .option('--json', 'one JSON document on standard output')
    .option('--quick', 'fewer rounds and shorter trials: for looking, not for quoting')
    .option('--rounds <n>', 'rounds of the interleaved suites')
    .option('--compare <file>', 'show what became slower than in a report that --json printed before')
    .option('--list', 'list the suites and end')
    .action(bench);
}
