/**
 * `rxsteer bench`: runs benchmark suites and prints what they measured.
 *
 * The suites are no part of the program: they lie in bench/ and are compiled to dist/bench/, which an installed
 * package does not have. So they are loaded by address when the command runs.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { UserError, unknownName } from '../errors.js';
import type { BenchReport } from './bench-page.js';
import { origin } from './origin.js';
import { note, printJson } from './output.js';
import { checkOutput, replaceFile } from './outputs.js';

interface BenchSuite {
  readonly name: string;
  readonly about: string;
  readonly parts?: readonly string[];
}

/** What dist/bench/index.js exports. */
interface BenchModule {
  readonly SUITES: readonly BenchSuite[];
  chooseSuites(names: readonly string[]): BenchSuite[];
  runSuites(
    suites: readonly BenchSuite[],
    options: object,
  ): Promise<{ readonly results: readonly object[]; readonly failures: readonly string[] }>;
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
  readonly html?: string;
  readonly guests?: string;
  readonly flows?: string;
  readonly size?: string;
  readonly elephant?: string;
  readonly share?: string;
  readonly capture?: string;
  readonly workers?: string;
}

const ROUNDS_MAX = 1000;
/** Each guest is a port. */
const GUESTS_MAX = 48;

async function load(): Promise<BenchModule> {
  const url = new URL('../bench/index.js', import.meta.url);
  if (!existsSync(url)) {
    throw new UserError('the benchmarks are not built: run `npm run setup` in a checkout of rxsteer');
  }
  return (await import(url.href)) as BenchModule;
}

const ELEPHANTS = ['none', 'flow', 'guest'];

function whole(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < least || value > most) {
    throw new UserError(`${flag} ${text}: expected a whole number from ${least} to ${most}`);
  }
  return value;
}

/** The mix that is asked for; null for the suite's own. */
function mixOf(flags: BenchFlags, names: readonly string[]): object | null {
  const asked = (['guests', 'flows', 'size', 'elephant', 'share', 'capture', 'workers'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  if (asked.length === 0) return null;
  if (!names.includes('flow-vs-mac')) {
    throw new UserError(
      `--${asked[0]}: goes with the suite flow-vs-mac: rxsteer bench flow-vs-mac --${asked[0]} …`,
    );
  }
  const { elephant, capture } = flags;
  if (elephant !== undefined && !ELEPHANTS.includes(elephant))
    throw unknownName('--elephant', elephant, ELEPHANTS);
  if (elephant === undefined && flags.share !== undefined) {
    throw new UserError('--share: whose? --elephant flow or guest is needed');
  }
  const wish = {
    guests: whole('--guests', flags.guests, 1, GUESTS_MAX),
    flowsPerGuest: whole('--flows', flags.flows, 1, 4096),
    size: flags.size === 'imix' ? 'imix' : whole('--size', flags.size, 60, 1514),
    elephant,
    share: whole('--share', flags.share, 1, 99),
    capture,
  };
  const given = Object.entries(wish).filter(([, value]) => value !== undefined);
  return given.length === 0 ? null : Object.fromEntries(given);
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
  const mix = mixOf(flags, names);
  const workers = whole('--workers', flags.workers, 2, 64) ?? null;
  if (flags.html !== undefined) checkOutput('--html', flags.html, []);
  const module = await load();
  const suites = module.chooseSuites(names);
  if (flags.list === true) {
    if (flags.json === true)
      printJson({ suites: suites.map(({ name, about, parts = [] }) => ({ name, about, parts })) });
    else {
      for (const { name, about, parts = [] } of suites) {
        const by = parts.length === 0 ? '' : `; parts: ${parts.map((part) => `${name}/${part}`).join(', ')}`;
        process.stdout.write(`${name.padEnd(12)} ${about}${by}\n`);
      }
    }
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
      mix,
      workers,
      signal: abort.signal,
      progress: note,
    });
    const comparison = old === null ? null : module.compareReports(old.file, old.report, report.results);
    if (flags.html !== undefined) {
      const { benchPage } = await import('./bench-page.js');
      replaceFile(flags.html, benchPage(report as unknown as BenchReport, origin()));
      note(`written: ${flags.html}`);
    }
    if (flags.json === true) printJson(comparison === null ? report : { ...report, comparison });
    else {
      process.stdout.write(module.renderReport(report));
      if (comparison !== null) process.stdout.write(`\n${module.renderComparison(comparison)}`);
    }
    if (report.failures.length > 0) {
      // The report is the one document of `--json`, and says it too.
      process.exitCode = 1;
      note(
        `rxsteer: ${report.failures.length} of the measurements failed: ${report.failures[0]}; what was measured is above`,
      );
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
    .argument('[suite...]', 'names of suites, or of parts of them (--list shows them)')
    .option('--json', 'one JSON document on standard output')
    .option('--quick', 'fewer rounds and shorter trials: for looking, not for quoting')
    .option('--rounds <n>', 'rounds of the interleaved suites')
    .option('--guests <n>', 'flow-vs-mac: guests, instead of its own mixes')
    .option('--flows <n>', 'flow-vs-mac: flows of each guest (default: 16)')
    .option('--size <bytes>', 'flow-vs-mac: frame bytes, or imix (default: 60)')
    .option('--elephant <who>', 'flow-vs-mac: who has --share of the frames: none, flow or guest')
    .option('--share <percent>', 'flow-vs-mac: share of the elephant (default: 50)')
    .option('--capture <file>', 'flow-vs-mac: guests, flows, sizes and shares as in this capture')
    .option('--workers <n>', 'flow-vs-mac: workers (default: the CPUs, 2 to 4)')
    .option('--compare <file>', 'show what became slower than in a report that --json printed before')
    .option('--html <file>', 'write the figures as a page, too')
    .option('--list', 'list the suites and end')
    .action(bench);
}
