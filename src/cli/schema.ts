/**
 * `rxsteer schema`: JSON Schemas of the files that the program reads, for editors.
 *
 * Promise: they come from the schemas that parse.
 */
import type { Command } from 'commander';
import { unknownName } from '../errors.js';
import { type JsonSchema, policyJsonSchema } from '../policy/json-schema.js';
import { forwardJsonSchema } from './forward-config.js';
import { printJsonLine } from './output.js';

const SCHEMAS: Readonly<Record<string, () => JsonSchema>> = {
  forward: forwardJsonSchema,
  policy: () => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'rxsteer --policy @FILE',
    ...policyJsonSchema(),
  }),
};

/** Names of the schemas. */
export const SCHEMA_NAMES = Object.keys(SCHEMAS);

export function register(program: Command): void {
  program
    .command('schema')
    .description('JSON Schema of a file: forward (--config) or policy (@FILE)')
    .argument('<name>', SCHEMA_NAMES.join(' or '))
    .option('--json', 'print JSON (it always does)')
    .allowExcessArguments(false)
    .action((name: string) => {
      const make = Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined;
      if (make === undefined) throw unknownName('schema', name, SCHEMA_NAMES);
      printJsonLine(make());
    });
}
