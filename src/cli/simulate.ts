/**
 * `rxsteer simulate`: a host of virtual machines, or a plain server, on virtual time.
 *
 * Promise: this file registers the command and says which file does what an option asks for; nothing of the simulator
 * is loaded before that. The result of a run depends on the scenario, the costs, the seed and the version alone.
 */
import type { Command } from 'commander';
import { UserError } from '../errors.js';
import type { SimulateFlags } from './simulate-flags.js';

/** What is done instead of a run, by the option that asks for it; modules are loaded when they are needed. */
const ACTIONS = {
  list: async (flags: SimulateFlags) => (await import('./simulate-list.js')).list(flags),
  show: async (flags: SimulateFlags) => (await import('./simulate-list.js')).show(flags),
  schema: async () => (await import('./simulate-list.js')).schema(),
  validate: async (flags: SimulateFlags, family: string | undefined) =>
    (await import('./simulate-validate.js')).validate(flags, family),
  calibrate: async (flags: SimulateFlags) => (await import('./simulate-calibrate.js')).calibrate(flags),
} as const;

const isAction = (flags: SimulateFlags) =>
  (Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]).filter((name) => flags[name] !== undefined);

async function act(scenario: string | undefined, flags: SimulateFlags): Promise<void> {
  const [first, second] = isAction(flags);
  if (second !== undefined) {
    throw new UserError(`--${first} and --${second}: one of them at a time`, { code: 'RXS_OPTION' });
  }
  if (first !== undefined) {
    if (scenario !== undefined && first !== 'validate') {
      throw new UserError(`--${first} takes no scenario: leave out ${scenario}`, { code: 'RXS_OPTION' });
    }
    await ACTIONS[first](flags, scenario);
    return;
  }
  if (scenario === undefined) {
    throw new UserError('a scenario is needed: a YAML or JSON file, or a name of --list', {
      code: 'RXS_OPTION',
    });
  }
  await (await import('./simulate-run.js')).runScenario(scenario, flags);
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('simulate')
    .description('a host with up to 128 CPUs and its guests, on virtual time')
    .argument('[scenario]', 'a YAML or JSON file, or a preset')
    .option(
      '--policy <policy>',
      'a policy; several are compared, all else equal',
      (text, all: string[] = []) => [...all, text],
    )
    .option('--costs <file|name>', 'what things cost: a file, or a set of --list')
    .option('--seed <n>', "default the scenario's")
    .option('--duration <ms>', "virtual time measured; default the scenario's")
    .option('--no-limit', 'do not look for what limits: several times as fast')
    .option('--html <file>', 'write a page: policies side by side, CPUs over time, the way of a packet')
    .option('--json', 'print JSON')
    .option('--list', 'presets and sets of costs')
    .option('--show <name>', 'print a preset or a set of costs as YAML')
    .option('--schema', "the scenario's JSON Schema")
    .option('--validate', 'run every preset with published figures; print both')
    .option('--calibrate <file>', 'measure this machine and write its costs, for --costs')
    .allowExcessArguments(false)
    .action(act);
}
