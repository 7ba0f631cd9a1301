/**
 * `rxsteer policies`: the policies that exist, and the keys of each.
 *
 * Promise: keys and defaults are those of the schemas that read policies, so that nothing here can be out of date.
 */
import type { Command } from 'commander';
import { unknownName } from '../errors.js';
import { POLICY_NAMES, type PolicyName, schemas } from '../policy/spec.js';
import type { z } from '../vendor/zod.js';
import { formatFitting } from './fitting.js';
import { formatTable, print, printJson } from './output.js';
import { POLICY_LINES } from './policy-list.js';

interface Key {
  readonly key: string;
  /** Absent values are null. */
  readonly default: unknown;
  readonly expects: string;
}

/** Values that no key takes: what the schema says of them is what it expects. */
const NOTHING: readonly unknown[] = [Symbol('nothing'), '?'];

/** What a key takes, in the words in which a wrong value is refused. */
function expectsOf(schema: z.ZodType): string {
  for (const wrong of NOTHING) {
    const result = schema.safeParse(wrong);
    if (result.success) continue;
    const { message } = result.error.issues[0]!;
    if (!/^invalid/i.test(message)) return message;
  }
  return '';
}

function keysOf(name: PolicyName): Key[] {
  const shape = schemas[name].shape as Record<string, z.ZodType>;
  return Object.entries(shape)
    .filter(([key]) => key !== 'policy')
    .map(([key, schema]) => {
      const filled = schema.safeParse(undefined);
      return { key, default: filled.success ? (filled.data ?? null) : null, expects: expectsOf(schema) };
    });
}

function run(name: string | undefined, flags: { readonly json?: boolean }): void {
  if (name !== undefined && !Object.hasOwn(schemas, name)) throw unknownName('policy', name, POLICY_NAMES);
  const names = name === undefined ? POLICY_NAMES : [name as PolicyName];
  if (flags.json === true) {
    const all = names.map((one) => ({ policy: one, ...POLICY_LINES[one], keys: keysOf(one) }));
    printJson(name === undefined ? all : all[0]);
    return;
  }
  if (name === undefined) {
    const rows = names.map((one) => [one, POLICY_LINES[one].does, POLICY_LINES[one].example]);
    print(formatFitting([{ title: 'policy' }, { title: 'a packet goes to' }, { title: 'example' }], rows));
    return;
  }
  const one = name as PolicyName;
  const rows = keysOf(one).map(({ key, default: value, expects }) => {
    const shown = value === null ? '-' : typeof value === 'object' ? JSON.stringify(value) : String(value);
    return [key, shown, expects];
  });
  print(`${one}: ${POLICY_LINES[one].does}; for example ${POLICY_LINES[one].example}\n`);
  print(formatTable([{ title: 'key' }, { title: 'default' }, { title: 'takes' }], rows));
  print('\nLists use + inside a value, ranges -. All about each key: docs/steering.md.');
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('policies')
    .description('list the policies, or the keys of one')
    .argument('[name]', 'the keys of one')
    .option('--json', 'print JSON')
    .action(run);
}
