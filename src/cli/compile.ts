/**
 * `rxsteer compile`: a policy in the words of the kernel, a NIC, a hypervisor or Open vSwitch.
 *
 * Promise: prints commands and runs none, unless `--apply --yes` says so (sysfs, ethtool); `--pin` loads a program and attaches it to nothing. Exit code 0: done; 1: the target
 * cannot express the policy, or a check found a difference; 2: a wrong call.
 */
import type { Command } from 'commander';
import { apply } from '../compile/apply.js';
import { type Check, type Compiled, Uncheckable } from '../compile/back-end.js';
import { backEnd, TARGET_NAMES } from '../compile/back-ends.js';
import { NOWHERE, placeOf, readThisHost, requestOf } from '../compile/compile.js';
import { UserError } from '../errors.js';
import { parsePolicy } from '../policy/parse.js';
import { policyWarnings } from '../policy/warnings.js';
import { compiledText } from './compile-report.js';
import { wholeNumber } from './numbers.js';
import { note, noteLine, print, printJson } from './output.js';

/** Packets of a check where the call does not say. */
const PACKETS = 10_000;
const PACKETS_MAX = 10_000_000;

interface Flags {
  readonly policy: string;
  readonly to: string;
  readonly dev?: string;
  readonly workers?: string;
  readonly check?: string | true;
  readonly apply?: boolean;
  readonly yes?: boolean;
  readonly pin?: string;
  readonly json?: boolean;
}

function checkFlags(flags: Flags, applies: boolean): void {
  if (flags.yes === true && flags.apply !== true) throw new UserError('--yes belongs to --apply');
  if (flags.apply !== true) return;
  if (!applies) throw new UserError(`--apply: goes with --to sysfs and ethtool, not ${flags.to}`);
  if (flags.dev === undefined) throw new UserError('--apply: which device? --dev DEV');
  if (flags.yes !== true) throw new UserError('--apply changes this host: say --yes too');
}

async function run(flags: Flags): Promise<void> {
  const back = await backEnd(flags.to);
  checkFlags(flags, back.applies === true);
  const packets =
    flags.check === undefined
      ? 0
      : flags.check === true
        ? PACKETS
        : wholeNumber(flags.check, 1, PACKETS_MAX, '--check');
  const workers = flags.workers === undefined ? undefined : wholeNumber(flags.workers, 1, 1024, '--workers');
  const spec = parsePolicy(flags.policy);
  const place = flags.dev === undefined ? NOWHERE : placeOf(await readThisHost(), flags.dev);
  const request = requestOf(spec, place, workers);
  for (const warning of policyWarnings(request.steering)) noteLine(`rxsteer: warning: ${warning}`);
  const compiled = back.emit(request);
  let check: Check | null = null;
  if (packets > 0) {
    if (back.check === undefined) throw new Uncheckable(back.name, 'nothing here can be asked');
    check = await back.check(request, compiled, packets);
  }
  if (flags.pin !== undefined) {
    if (back.pin === undefined) throw new UserError(`--pin: goes with --to bpf and xdp, not ${flags.to}`);
    note(`pinned: ${back.pin(request, flags.pin).join(' ')}`);
  }
  if (flags.apply === true) apply(compiled);
  tell(compiled, check, flags.json === true);
  if (check !== null && check.agree < check.packets) process.exitCode = 1;
}

function tell(compiled: Compiled, check: Check | null, isJson: boolean): void {
  if (!isJson) {
    print(compiledText(compiled, check));
    return;
  }
  const { more, ...rest } = compiled;
  printJson({ ...rest, ...more, check });
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('compile')
    .description('say a policy in the words of the kernel, a NIC, a hypervisor or Open vSwitch')
    .requiredOption('--policy <policy>', 'NAME, NAME:key=value,… or @FILE')
    .requiredOption('--to <target>', `one of ${TARGET_NAMES.join(', ')}`)
    .option('--dev <dev>', 'the device; what is set there now is read for the undo')
    .option('--workers <n>', 'number of workers (default: from the policy)')
    .option('--check [packets]', `hold the target against the policy (default: ${PACKETS} packets)`)
    .option('--apply', 'run the commands (sysfs, ethtool); needs --yes')
    .option('--yes', 'with --apply: yes, change this host')
    .option('--pin <path>', 'load the program and pin it there (bpf, xdp)')
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .action(run);
}
