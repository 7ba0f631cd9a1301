/**
 * `rxsteer ctl`: asks and changes a running forwarder through its control socket.
 *
 * Promise: without --socket it finds the one running forwarder, and lists them where there are several; what the
 * forwarder refuses is its own line. A change that is printed as done has been acknowledged by every worker.
 */
import type { Command } from 'commander';
import { ask, findSocket, watch } from '../control/client.js';
import type { ChangeResult, PolicyState, Status } from '../control/controller.js';
import { absolutePolicy, absolutePort } from '../control/paths.js';
import type { RebalanceState } from '../control/watcher.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { UserError, unknownName } from '../errors.js';
import type { History } from '../observe/history.js';
import type { ChangePlan } from '../policy/change-plan.js';
import { readTextFile } from '../text-file.js';
import { parseYaml } from '../yaml-text.js';
import { renderHistory } from './ctl-history.js';
import { renderChange, renderPlan, renderPolicy, renderRebalance, renderStatus } from './ctl-report.js';
import { checkTraceFile, renderTrace, type TracedDecision, writeTrace } from './ctl-trace.js';
import { renderRates, renderSummary } from './forward-report.js';
import { noteLine, print, printJson, printJsonLine } from './output.js';
import { checkOutput, replaceFile } from './outputs.js';

interface Flags {
  readonly socket?: string;
  readonly json?: boolean;
  readonly watch?: boolean | string;
  readonly policy?: string;
  readonly budget?: string;
  readonly freeze?: string[];
  readonly dryRun?: boolean;
  readonly vlan?: string;
  readonly write?: string;
  readonly timeout?: string;
  readonly [setting: string]: unknown;
}

const collect = (value: string, all: string[] = []) => [...all, value];

function whole(place: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UserError(`${place} ${text}: expected a whole number from ${least} to ${most}`);
  }
  return value;
}

function decimal(place: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UserError(`${place} ${text}: expected a number from ${least} to ${most}`);
  }
  return value;
}

/** A policy as the forwarder is told it: a file is read here, where its name was given. */
function policyBody(given: string): string | object {
  return absolutePolicy(readPolicy(given));
}

function readPolicy(given: string): string | object {
  if (!given.startsWith('@')) return given;
  const path = given.slice(1);
  const place = `policy file ${path}`;
  const value = parseYaml(readTextFile(path === '-' ? 0 : path, place), place);
  if (typeof value === 'string' || (typeof value === 'object' && value !== null)) return value;
  throw new UserError(`${place}: an object with "policy: NAME" or a policy string is needed`);
}

function planBody(flags: Flags) {
  return {
    policy: policyBody(flags.policy!),
    ...(flags.budget === undefined ? {} : { budget: whole('--budget', flags.budget, 1, 1_000_000) }),
    ...(flags.freeze === undefined ? {} : { freeze: flags.freeze }),
  };
}

/** Prints an answer: one JSON document, or for people. */
function show<T>(flags: Flags, answer: T, render: (answer: T) => string): void {
  if (flags.json === true) printJson(answer);
  else print(render(answer));
}

const socketOf = async (flags: Flags) => flags.socket ?? (await findSocket());

async function change(flags: Flags, route: string, body: unknown): Promise<void> {
  const result = await ask<ChangeResult>(await socketOf(flags), 'POST', route, body);
  show(flags, result, renderChange);
}

async function stats(flags: Flags): Promise<void> {
  const socket = await socketOf(flags);
  if (flags.watch === undefined || flags.watch === false) {
    show(flags, await ask<Summary>(socket, 'GET', '/stats'), (summary) =>
      renderSummary(summary, { live: true }).trimEnd(),
    );
    return;
  }
  const seconds = flags.watch === true ? 1 : decimal('--watch', flags.watch as string, 0.05, 3600);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let previous: Summary | null = null;
  try {
    for await (const summary of watch<Summary>(socket, `/stats?watch=${seconds}`, stop.signal)) {
      if (flags.json === true) printJsonLine(summary);
      else if (previous !== null) print(renderRates(previous, summary));
      previous = summary;
    }
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function trace(flags: Flags, count: string): Promise<void> {
  const n = whole('trace', count, 1, 10_000);
  const timeoutMs = 1000 * decimal('--timeout', flags.timeout ?? '10', 0.001, 600);
  if (flags.write !== undefined) checkTraceFile(flags.write);
  const body = { n, timeoutMs: Math.ceil(timeoutMs) };
  const entries = await ask<TracedDecision[]>(await socketOf(flags), 'POST', '/trace', body);
  if (flags.write !== undefined) writeTrace(flags.write, entries);
  if (entries.length < n)
    noteLine(`rxsteer: ${entries.length} of ${n} decisions within ${timeoutMs / 1000} s`);
  if (flags.json === true) printJson(entries);
  else if (flags.write === undefined) print(renderTrace(entries));
  else print(`${entries.length} decisions written to ${flags.write}`);
}

/** Writes the running configuration: YAML, or JSON where the name ends so; `-` is standard output. */
async function save(flags: Flags, file: string): Promise<void> {
  const config = await ask<object>(await socketOf(flags), 'GET', '/config');
  const isJson = /\.json$/i.test(file) || (file === '-' && flags.json === true);
  const text = isJson ? `${JSON.stringify(config, null, 2)}\n` : (await import('yaml')).stringify(config);
  if (file === '-') {
    print(text.trimEnd());
    return;
  }
  checkOutput('', file, []);
  replaceFile(file, text);
  if (flags.json === true) printJson({ file, config });
  else print(`saved to ${file}; check it with: rxsteer forward --config ${file} --check`);
}

const REBALANCE_NUMBERS = ['threshold', 'intervals', 'gain', 'moves', 'bound', 'least'] as const;

async function rebalance(flags: Flags, mode: string | undefined): Promise<void> {
  const body: Record<string, unknown> = {};
  if (mode !== undefined) body.mode = mode;
  for (const name of REBALANCE_NUMBERS) {
    const text = flags[name];
    if (text !== undefined) body[name] = decimal(`--${name}`, text as string, 0, 1e9);
  }
  if (flags.freeze !== undefined) body.freeze = flags.freeze;
  const socket = await socketOf(flags);
  const state =
    Object.keys(body).length === 0
      ? await ask<RebalanceState>(socket, 'GET', '/rebalance')
      : await ask<RebalanceState>(socket, 'POST', '/rebalance', body);
  show(flags, state, renderRebalance);
}

export function register(program: Command): void {
  const ctl = program.command('ctl').description('ask or change a running forwarder');
  /** A subcommand with the flags that all have. `--socket` and `--json` may also stand before its name. */
  const add = (name: string, description: string) =>
    ctl
      .command(name)
      .description(description)
      .option('--socket <path>', 'control socket (default: that of the one running forwarder)')
      .option('--json', 'print one JSON document')
      .allowExcessArguments(false);
  ctl
    .option('--socket <path>', 'control socket (default: that of the one running forwarder)')
    .option('--json', 'print one JSON document')
    .allowExcessArguments()
    // Options behind a misspelt command are not the mistake.
    .allowUnknownOption()
    .action(() => {
      const names = ctl.commands.map((command) => command.name());
      const given = ctl.args.find((word) => !word.startsWith('-'));
      if (given !== undefined) throw unknownName('ctl command', given, names);
      if (ctl.args[0] !== undefined) throw new UserError(`unknown option '${ctl.args[0]}'`);
      throw new UserError(`ctl needs a command: ${names.join(', ')}`);
    });
  const flagsOf = (command: Command) => command.optsWithGlobals<Flags>();
  const withPlan = (command: Command) =>
    command
      .requiredOption('--policy <policy>', 'the new policy: a string or @FILE')
      .option('--budget <K>', 'buckets or guests that move per second at most (default: all at once)')
      .option(
        '--freeze <list>',
        'buckets (3, 8-15), MAC addresses and flows that must not move; commas between',
        collect,
      );

  add('status', 'what runs: policy, ports, workers, losses').action(async (_o, command: Command) => {
    const flags = flagsOf(command);
    const socket = await socketOf(flags);
    const status = await ask<Status & { rebalance: string }>(socket, 'GET', '/status');
    show(flags, status, (answer) => renderStatus(answer, socket));
  });
  add('stats', 'all counters; with --watch a line at an interval')
    .option('--watch [seconds]', 'go on until interrupted (default every second)')
    .action((_o, command: Command) => stats(flagsOf(command)));
  add('history', 'one-second figures of the last ten minutes').action(async (_o, command: Command) => {
    const flags = flagsOf(command);
    show(flags, await ask<History>(await socketOf(flags), 'GET', '/history'), renderHistory);
  });
  const policy = ctl.command('policy').description('the running policy');
  policy
    .command('show', { isDefault: true })
    .description('policy, table, owners')
    .option('--socket <path>', 'control socket (default: that of the one running forwarder)')
    .option('--json', 'print one JSON document')
    .allowExcessArguments(false)
    .action(async (_o, command: Command) => {
      const flags = flagsOf(command);
      show(flags, await ask<PolicyState>(await socketOf(flags), 'GET', '/policy'), renderPolicy);
    });
  withPlan(add('plan', 'what a new policy would move, and what it costs')).action(
    async (_o, command: Command) => {
      const flags = flagsOf(command);
      const body = planBody(flags);
      const plan = await ask<ChangePlan>(await socketOf(flags), 'POST', '/plan', body);
      show(flags, plan, renderPlan);
    },
  );
  withPlan(add('apply', 'change to a new policy under load'))
    .option('--dry-run', 'plan only')
    .action((_o, command: Command) => {
      const flags = flagsOf(command);
      return change(flags, '/apply', { ...planBody(flags), dryRun: flags.dryRun === true });
    });
  add('rollback', 'undo the last change of policy, table or owners').action((_o, command: Command) =>
    change(flagsOf(command), '/rollback', {}),
  );
  add('owner <mac> <worker>', 'give a guest another owner (policy mac)')
    .option('--vlan <id>', 'on this VLAN only, 0 = untagged (default: wherever it is seen)')
    .action((mac: string, worker: string, _o, command: Command) => {
      const flags = flagsOf(command);
      const vlan = flags.vlan === undefined ? null : whole('--vlan', flags.vlan, 0, 4094);
      return change(flags, '/owner', { mac, vlan, worker: whole('worker', worker, 0, 1023) });
    });
  add('worker <action> [id]', 'add, or remove ID (the highest)').action(
    (action: string, id: string | undefined, _o, command: Command) => {
      const body =
        action === 'remove'
          ? { action, ...(id === undefined ? {} : { id: whole('worker remove', id, 0, 1023) }) }
          : { action };
      if (action === 'add' && id !== undefined) {
        throw new UserError(`worker add ${id}: takes no id, the next free one is given`);
      }
      return change(flagsOf(command), '/worker', body);
    },
  );
  add('port <action> <port>', 'add NAME=KIND:TARGET[,option=value…], or remove NAME').action(
    (action: string, port: string, _o, command: Command) =>
      change(
        flagsOf(command),
        '/port',
        action === 'remove' ? { action, name: port } : { action, port: absolutePort(port) },
      ),
  );
  add('save <file>', 'write the running configuration as a file for forward --config').action(
    (file: string, _o, command: Command) => save(flagsOf(command), file),
  );
  const rebalancing = add('rebalance [mode]', 'show or set the rebalancer: off, dry or auto')
    .option('--threshold <ratio>', 'act when a worker has more than so many times its fair share')
    .option('--intervals <n>', 'for so many seconds in a row')
    .option('--gain <shares>', 'and only for this much relief of the fullest')
    .option('--moves <n>', 'buckets or guests moved at a time at most')
    .option('--bound <ratio>', 'stop when the fullest worker is within so many times its fair share')
    .option('--least <packets>', 'packets a second below which nothing is done')
    .option('--freeze <list>', 'buckets, MAC addresses and flows that must not move', collect);
  rebalancing.action((mode: string | undefined, _o, command: Command) => rebalance(flagsOf(command), mode));
  add('trace <n>', 'the next n live decisions, with their reasons')
    .option('--write <file.pcapng>', 'write them as a capture, the reasons as packet comments')
    .option('--timeout <seconds>', 'wait so long at most (default 10)')
    .action((count: string, _o, command: Command) => trace(flagsOf(command), count));
}
