/**
 * `rxsteer doctor`: what is wrong with a host's packet steering.
 *
 * Promise: changes nothing on the host. Exit code 0: nothing at or above `--fail-on`; 1: findings; 2: a wrong call. The
 * files that it writes are those that are asked for (`--collect`, `--fix-script`, `--scenario`).
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { UserError, unknownName } from '../errors.js';
import { SEVERITIES, type Severity } from '../host/check.js';
import { checkDevices, type Diagnosis, diagnose, type Examined, examine } from '../host/doctor.js';
import { known } from '../host/fact.js';
import { type Host, ROLES, type Role } from '../host/host.js';
import { readHost } from '../host/read-host.js';
import type { Noted } from '../host/source/recorder.js';
import type { Source } from '../host/source/source.js';
import { OWN, type TreeSource } from '../host/source/tree.js';
import { fileFault } from '../text-file.js';
import type { Expectations } from './doctor-expect.js';
import { diffText, factsText, reportText } from './doctor-report.js';
import { note, Progress, print, printJson } from './output.js';

interface Flags {
  readonly root?: string;
  readonly role: string;
  readonly sample?: string;
  readonly failOn: string;
  readonly facts?: boolean;
  readonly collect?: string;
  readonly anonymous?: boolean;
  readonly fixScript?: string;
  readonly diff?: string;
  readonly simulate?: boolean;
  readonly costs?: string;
  readonly scenario?: string;
  readonly json?: boolean;
}

const SAMPLE_SECONDS = 2;
const SAMPLE_SECONDS_MAX = 3600;

function roleOf(text: string): Role | null {
  if (text === 'auto') return null;
  if (!(ROLES as readonly string[]).includes(text)) throw unknownName('role', text, ['auto', ...ROLES]);
  return text as Role;
}

function severityOf(text: string): Severity {
  const severity = SEVERITIES.find((one) => one === text.toUpperCase());
  if (severity === undefined) throw new UserError(`--fail-on ${text}: expected E, W or I`);
  return severity;
}

function secondsOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds >= 0 && seconds <= SAMPLE_SECONDS_MAX)) {
    throw new UserError(`--sample ${text}: expected seconds from 0 to ${SAMPLE_SECONDS_MAX}`);
  }
  return seconds;
}

/** Waits between the two readings. */
async function pause(seconds: number): Promise<void> {
  const progress = new Progress('sampling');
  const end = performance.now() + 1000 * seconds;
  for (let left = end - performance.now(); left > 0; left = end - performance.now()) {
    progress.update(`${Math.ceil(left / 1000)} s`);
    await sleep(Math.min(left, 500));
  }
  progress.done();
}

const clock = () => performance.now();

/** Reads the running host. @param notes null: nothing is packed */
async function readLive(seconds: number, role: Role | null, notes: Map<string, Noted> | null): Promise<Host> {
  const { liveSource } = await import('../host/source/live-asked.js');
  const { Recorder } = await import('../host/source/recorder.js');
  const live = await liveSource();
  const first = notes === null ? live : new Recorder(live, notes);
  const now = (source: Source): number => {
    const at = clock();
    if (source instanceof Recorder) source.own('clock', `${at}\n`);
    return at;
  };
  const second = async (): Promise<Source | null> => {
    if (seconds === 0) return null;
    await pause(seconds);
    return notes === null ? live : new Recorder(live, notes, true);
  };
  return readHost(first, { role, second, now });
}

/** Reads a tree. Two readings where it has them, or where `--sample` asks for them (a host's root seen from outside). */
async function readTree(
  path: string,
  place: string,
  seconds: number | null,
  role: Role | null,
): Promise<Host> {
  const { openTree } = await import('../host/source/open.js');
  const tree = await openTree(path, place);
  const noted = (source: Source): number => {
    const text = source.read(`${OWN}/clock`);
    return known(text) && Number(text) > 0 ? Number(text) : clock();
  };
  const packed = tree.secondSample();
  const second = async (): Promise<TreeSource | null> => {
    if (packed !== null || seconds === null || seconds === 0) return packed;
    await pause(seconds);
    return openTree(path, place);
  };
  return readHost(tree, { role, second, now: packed === null ? clock : noted });
}

function writeOutput(path: string, place: string, content: string | Buffer): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw new UserError(`${place}: ${fileFault(error)}`);
  }
}

async function writeCollection(path: string, notes: Map<string, Noted>, isAnonymous: boolean): Promise<void> {
  const { pack } = await import('../host/source/pack.js');
  const { randomBytes } = await import('node:crypto');
  const bytes = pack(notes, isAnonymous ? randomBytes(32) : null);
  writeOutput(path, `--collect ${path}`, bytes);
  note(`${path}: ${notes.size} entries, ${bytes.length} bytes${isAnonymous ? ', addresses hashed' : ''}`);
}

async function checkFlags(flags: Flags): Promise<void> {
  if (flags.collect !== undefined && flags.root !== undefined) {
    throw new UserError('--collect packs the running host: leave out --root');
  }
  if (flags.anonymous === true && flags.collect === undefined) {
    throw new UserError('--anonymous belongs to --collect FILE');
  }
  if (flags.simulate === false && (flags.costs !== undefined || flags.scenario !== undefined)) {
    throw new UserError(`--${flags.costs === undefined ? 'scenario' : 'costs'}: leave out --no-simulate`);
  }
  if (flags.costs !== undefined || flags.scenario !== undefined) (await expecting()).checkOptions(flags);
  if (flags.collect === undefined && flags.fixScript === undefined) return;
  const { checkOutput } = await import('./outputs.js');
  const inputs = [flags.root, flags.diff].filter((path) => path !== undefined);
  if (flags.collect !== undefined) checkOutput('--collect', flags.collect, inputs);
  if (flags.fixScript !== undefined) checkOutput('--fix-script', flags.fixScript, inputs);
}

async function run(devices: readonly string[], flags: Flags): Promise<void> {
  const role = roleOf(flags.role);
  const failOn = severityOf(flags.failOn);
  const seconds = secondsOf(flags.sample);
  await checkFlags(flags);
  const notes = flags.collect === undefined ? null : new Map<string, Noted>();
  const host =
    flags.root === undefined
      ? await readLive(flags.facts === true && notes === null ? 0 : (seconds ?? SAMPLE_SECONDS), role, notes)
      : await readTree(flags.root, `--root ${flags.root}`, seconds, role);
  checkDevices(host, devices);
  if (notes !== null) await writeCollection(flags.collect!, notes, flags.anonymous === true);
  if (flags.facts === true) {
    const { factsOf } = await import('../host/facts.js');
    const facts = factsOf(host);
    const isMeant = ({ name }: { name: string }) => devices.length === 0 || devices.includes(name);
    const shown = { ...facts, devices: facts.devices.filter(isMeant) };
    if (flags.json === true) printJson(shown);
    else print(factsText(shown));
    return;
  }
  const { diagnosis, curable } = examine(host, devices);
  const expected = await expectedOf(host, curable, flags);
  if (flags.fixScript !== undefined) {
    const { fixScript } = await import('../host/fix-script.js');
    writeOutput(
      flags.fixScript,
      `--fix-script ${flags.fixScript}`,
      fixScript(diagnosis, host.source, expected?.lines),
    );
    note(`${flags.fixScript}: sh ${flags.fixScript} fixes, sh ${flags.fixScript} undo takes it back`);
  }
  const old =
    flags.diff === undefined
      ? null
      : diagnose(await readTree(flags.diff, `--diff ${flags.diff}`, null, role ?? host.role));
  await tell(host, diagnosis, expected, old, flags);
  const worst = SEVERITIES.indexOf(failOn);
  if (diagnosis.findings.some(({ severity }) => SEVERITIES.indexOf(severity) <= worst)) process.exitCode = 1;
}

/** People are told what fixes would bring; who reads JSON, a monitor say, where it is asked for: it takes memory and time. */
function isSimulated({ simulate, costs, scenario, json }: Flags): boolean {
  return simulate ?? (costs !== undefined || scenario !== undefined || json !== true);
}

/** What fixes would bring; null where that is not wanted, or nothing can be cured. */
async function expectedOf(
  host: Host,
  curable: Examined['curable'],
  flags: Flags,
): Promise<Expectations | null> {
  if (!isSimulated(flags) || (curable.length === 0 && flags.scenario === undefined)) return null;
  return (await expecting()).expectations(host, curable, flags);
}

/** By its address, and so not from the bundle: it takes the simulator along. */
function expecting(): Promise<typeof import('./doctor-expect.js')> {
  return import(new URL('./doctor-expect.js', import.meta.url).href);
}

async function tell(
  host: Host,
  diagnosis: Diagnosis,
  expected: Expectations | null,
  old: Diagnosis | null,
  { json }: Flags,
): Promise<void> {
  const difference = old === null ? null : (await import('../host/diff.js')).diffOf(old, diagnosis);
  if (json === true) {
    const findings = diagnosis.findings.map((finding) => ({ ...finding, ...expected?.of.get(finding) }));
    printJson({ ...diagnosis, findings, ...(difference === null ? {} : { diff: difference }) });
    return;
  }
  print(reportText(host, diagnosis, expected?.lines));
  if (difference !== null) print(diffText(difference));
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description('say what is wrong with the packet steering of a Linux host; changes nothing')
    .argument('[dev...]', 'devices to speak of (default: all)')
    .option('--root <path>', 'read a collected host instead: a folder or tar.gz, sosreports too')
    .addOption(
      program
        .createOption('--role <role>', `what the host is for: auto, ${ROLES.join(', ')}`)
        .default('auto', 'auto'),
    )
    .option('--sample <seconds>', `time between the two readings (default: ${SAMPLE_SECONDS})`)
    .addOption(
      program
        .createOption('--fail-on <severity>', 'exit with 1 from this severity on: E, W or I')
        .default('E', 'E'),
    )
    .option('--facts', 'print what was read instead of findings')
    .option('--collect <file>', 'pack what is read into a tar.gz, for --root elsewhere')
    .option('--anonymous', 'with --collect: hash MAC and IP addresses')
    .option('--fix-script <file>', 'write the fixes as a shell script with its undo')
    .option('--simulate', 'simulate what fixes would bring (default: without --json)')
    .option('--no-simulate', 'do not')
    .option('--costs <file|name>', 'what things cost in the simulation (default: modern)')
    .option('--scenario <folder>', 'write what is simulated as files for rxsteer simulate')
    .option('--diff <path>', 'compare with an older collection')
    .option('--json', 'print JSON')
    .action(run);
}
