/**
 * The schemas of policies and of files around them as JSON Schema (2020-12), for editors and other programs.
 *
 * Promise: what the schema permits, parsing takes, but for what several values say together (a CPU that is no worker, a
 * table that the NIC does not have); what parsing takes, the schema permits. Numbers inside texts (`cpus: 0-3+5`)
 * are checked by parsing alone.
 */
import { z } from '../vendor/zod.js';
import { POLICY_NAMES, schemas } from './spec.js';

/** A JSON Schema. */
export type JsonSchema = Record<string, unknown>;

/** Other forms of a value (`alsoAs` of `values.ts`) beside the one in which it is kept. */
function withOthers(node: JsonSchema): void {
  const { also, description, default: fallback, ...kept } = node;
  if (also === undefined) return;
  for (const key of Object.keys(node)) delete node[key];
  Object.assign(node, {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [kept, ...(also as JsonSchema[])],
  });
}

/** The JSON Schema of what a zod schema takes. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => withOthers(jsonSchema as JsonSchema),
  }) as JsonSchema;
}

/** Without what belongs to a document's top. */
function inner(schema: JsonSchema): JsonSchema {
  const { $schema: _, ...rest } = schema;
  return rest;
}

/** A policy as a string or an object; an object names it by `policy` or `name`. */
export function policyJsonSchema(): JsonSchema {
  const objects = POLICY_NAMES.flatMap((name) => {
    const schema = inner(jsonSchemaOf(schemas[name])) as {
      properties: Record<string, JsonSchema>;
      required: string[];
    };
    const { policy, ...others } = schema.properties;
    const required = schema.required.filter((key) => key !== 'policy');
    return (['policy', 'name'] as const).map((key) => ({
      ...schema,
      title: name,
      // Beside `policy` a name says nothing.
      properties: { [key]: policy, ...(key === 'policy' ? { name: {} } : {}), ...others },
      required: [key, ...required],
    }));
  });
  return {
    description: 'A steering policy: NAME, NAME:key=value,… or @FILE, or an object',
    anyOf: [{ type: 'string', pattern: `^\\s*(@.|(${POLICY_NAMES.join('|')})(:|\\s*$))` }, ...objects],
  };
}
