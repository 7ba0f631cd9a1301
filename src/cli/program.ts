/**
 * The program `rxsteer`, as a function.
 *
 * Promise: exit code 0 for done, 2 for a wrong call or configuration, 1 for a failure while running, 130 for a start
 * that was interrupted; whatever goes
 * wrong is one line on standard error, `rxsteer: …`, with `--json` also one document `{ error, code }` on standard output
 * (codes: `error-codes.ts`), and a stack trace only with `--debug`. The code of a command is
 * loaded when its name is given, so that `rxsteer hash` does not pay for the data plane.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Command, CommanderError } from 'commander';
import type { ErrorCode } from '../error-codes.js';
import { errorCode, Interrupted, nearestNames, printable, UserError } from '../errors.js';
import { ownModule } from '../thread-modules.js';
import { helpBelow } from './help.js';
import { version } from './version.js';

/** Every command module exports this: adds its command to the program. */
interface CommandModule {
  register(program: Command): void;
  /** Runs a plain command line, without `commander`; null for one that is not plain. */
  runPlain?(words: readonly string[]): Promise<void> | null;
}

/** Commands in the order of the help; those whose module is not part of this build are left out. */
const commandNames = [
  'demo',
  'forward',
  'replay',
  'explain',
  'flows',
  'hash',
  'make',
  'sweep',
  'worker',
  'simulate',
  'ctl',
  'top',
  'dashboard',
  'doctor',
  'compile',
  'bench',
  'policies',
  'nics',
  'schema',
  'completion',
];

function moduleUrl(name: string): URL {
  return new URL(`./${name}.js`, import.meta.url);
}

/** Columns of help, also on wide terminals. */
const HELP_COLUMNS = 100;
const HELP_COLUMNS_PIPED = 80;

/**
 * Makes commander throw instead of exiting, for a command and everything below it; and looks for options that are
 * missing only after it has looked for unknown ones, since a misspelt option is missing too.
 */
function takeOver(command: Command): void {
  command.exitOverride();
  const columns = Math.min(HELP_COLUMNS, process.stdout.columns ?? HELP_COLUMNS_PIPED);
  // Errors are printed here, in the one form of the whole program.
  command.configureOutput({
    outputError: () => {},
    getOutHelpWidth: () => columns,
    getErrHelpWidth: () => columns,
  });
  const needed = command.options.filter((option) => option.mandatory);
  for (const option of needed) option.mandatory = false;
  if (needed.length > 0) {
    command.hook('preAction', () => {
      const missing = needed.find((option) => command.getOptionValue(option.attributeName()) === undefined);
      if (missing !== undefined) {
        throw new UserError(`required option '${missing.flags}' not specified`, { code: 'RXS_OPTION' });
      }
    });
  }
  for (const child of command.commands) takeOver(child);
}

/** Commands that can be called without loading `commander`. */
const PLAIN_COMMANDS = ['replay'];

async function build(argv: readonly string[]): Promise<Command> {
  // Not imported: for the first CommonJS module that is, Node loads a parser of such modules.
  const { Command } = createRequire(import.meta.url)('commander') as typeof import('commander');
  const program = new Command('rxsteer');
  program
    .description('Software packet steering for Linux: RSS, RPS, RFS and MAC steering')
    .version(version(), '-V, --version')
    .option('--debug', 'show stack traces')
    .helpOption('-h, --help')
    .showHelpAfterError(false);
  const present = commandNames.filter((name) => existsSync(moduleUrl(name)));
  const wanted = argv.find((argument) => argument !== '' && !argument.startsWith('-'));
  const isVersion = argv[0] === '--version' || argv[0] === '-V';
  const load = isVersion ? [] : wanted !== undefined && present.includes(wanted) ? [wanted] : present;
  for (const name of load) {
    const module = (await import(ownModule(moduleUrl(name).href))) as CommandModule;
    module.register(program);
  }
  // Else `--help` behind a misspelt command would explain the program, as if all were well.
  if (wanted !== undefined && !present.includes(wanted)) {
    program.helpOption(false).allowUnknownOption();
  }
  program.action(() => {
    if (wanted === undefined) program.help({ error: false });
    const near = nearestNames(wanted ?? '', present);
    const hint = near.length > 0 ? `did you mean ${near.join(' or ')}? ` : '';
    throw new UserError(`unknown command "${wanted}": ${hint}commands: ${present.join(', ')}`, {
      code: 'RXS_UNKNOWN_NAME',
    });
  });
  program.allowExcessArguments();
  takeOver(program);
  for (const command of program.commands) {
    const below = await helpBelow(command.name());
    if (below !== '') command.addHelpText('after', below);
  }
  return program;
}

/** The program with all its commands, for what is made from them (`scripts/man.mjs`). Nothing is run. */
export const commandTree = (): Promise<Command> => build([]);

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

/** commander puts its suggestion on a second line. */
function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

/**
 * What went wrong, in one line. Descriptors may have run out anywhere, also while a module was loaded, and in a worker
 * thread, whose errors come as texts.
 */
export function told(error: unknown): string {
  const { code = /^(EMFILE|ENFILE)\b/.exec((error as Error).message)?.[1] } = error as NodeJS.ErrnoException;
  if (code === 'EMFILE')
    return `too many open files: raise the limit${openFilesLimit()}, e.g. ulimit -n 1024`;
  if (code === 'ENFILE') return 'too many open files on this machine (fs.file-max)';
  return error instanceof Error ? firstLine(error.message) || error.name : String(error);
}

/** ` of 40`; empty where there is no descriptor left to find out with. */
function openFilesLimit(): string {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return line === null ? '' : ` of ${line[1]}`;
  } catch {
    return '';
  }
}

/** Prints the one line, with `--json` the document too, and gives the exit code. */
function report(error: unknown, argv: readonly string[]): number {
  const isOption = isCommanderError(error);
  // Help and version end the parse by throwing too.
  if (isOption && error.exitCode === 0) return 0;
  const line = printable(isOption ? oneLine(error.message).replace(/^error: /, '') : told(error));
  process.stderr.write(`rxsteer: ${line}\n`);
  if (argv.includes('--json')) {
    const code: ErrorCode = isOption ? 'RXS_OPTION' : errorCode(error);
    process.stdout.write(`${JSON.stringify({ error: line, code })}\n`);
  }
  if (!isOption && argv.includes('--debug') && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  if (error instanceof Interrupted) return 130;
  return isOption || error instanceof UserError ? 2 : 1;
}

/** `__complete`: what may come next. Whatever goes wrong is no candidate. */
async function answerShell(words: readonly string[]): Promise<void> {
  try {
    // For the command's name alone no command need be loaded.
    const program = await build(words.length > 1 ? words : ['--version']);
    const { complete } = await import('./complete.js');
    const present = commandNames.filter((name) => existsSync(moduleUrl(name)));
    for (const [value, text] of await complete(program, present, words)) {
      process.stdout.write(`${printable(value)}${text === undefined ? '' : `\t${printable(text)}`}\n`);
    }
  } catch {
    // A shell has no use for an error.
  }
}

/** Runs one command line (without `node` and the program's name); gives the exit code. `help X` is `X --help`. Never throws. */
export async function runProgram(words: readonly string[]): Promise<number> {
  if (words[0] === '__complete') {
    await answerShell(words.slice(1));
    return 0;
  }
  const argv = words[0] === 'help' ? [...words.slice(1), '--help'] : words;
  try {
    const plain = PLAIN_COMMANDS.includes(argv[0] ?? '')
      ? ((await import(moduleUrl(argv[0]!).href)) as CommandModule).runPlain?.(argv.slice(1))
      : null;
    if (plain) await plain;
    else await (await build(argv)).parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    return report(error, argv);
  }
}
