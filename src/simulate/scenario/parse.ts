/**
 * Scenarios from files, texts and objects.
 *
 * Promise: what is wrong is a UserError of one line with file, path in it, and what would be right; a misspelt key gets
 * the names that are near, and so is a key that would have no effect beside the others (`goes-with.ts`). Nothing is ignored.
 */

import { UserError, unknownName } from '../../errors.js';
import { type FilesAllowed, readTextFile } from '../../text-file.js';
import { z } from '../../vendor/zod.js';
import { checkNesting, parseYaml } from '../../yaml-text.js';
import { type Costs, costsSchema, type PartialCosts, partialCostsSchema } from '../costs/schema.js';
import { completeCosts } from '../costs/sets.js';
import { withoutEffect } from '../goes-with.js';
import { checkScenario } from './check.js';
import { type Scenario, scenarioSchema } from './schema.js';

/** The path of an issue as people write it. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i > 0 ? `.${String(part)}` : String(part)))
    .join('');
}

function shorten(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part],
    value,
  );
}

/** Keys of the object schema that a path leads to. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.ZodType | undefined = schema;
  const unwrap = (inner: z.ZodType | undefined): z.ZodType | undefined => {
    const def = (inner as { def?: { innerType?: z.ZodType; in?: z.ZodType; out?: z.ZodType } } | undefined)
      ?.def;
    if (inner === undefined || inner instanceof z.ZodObject) return inner;
    if (inner instanceof z.ZodUnion) {
      return (inner.options as z.ZodType[]).map(unwrap).find((option) => option instanceof z.ZodObject);
    }
    if (inner instanceof z.ZodRecord || inner instanceof z.ZodArray) return inner;
    if (def?.innerType !== undefined) return unwrap(def.innerType);
    if (def?.out !== undefined && !(def.out instanceof z.ZodTransform)) return unwrap(def.out);
    return def?.in === undefined ? undefined : unwrap(def.in);
  };
  current = unwrap(current);
  for (const part of path) {
    if (current instanceof z.ZodObject)
      current = unwrap((current.shape as Record<string, z.ZodType>)[String(part)]);
    else if (current instanceof z.ZodRecord) current = unwrap(current.valueType as z.ZodType);
    else if (current instanceof z.ZodArray) current = unwrap(current.element as z.ZodType);
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** Of the branches of a union the issue that says most: the deepest, else a misspelt key. */
function deepest(issue: z.core.$ZodIssue, base: readonly PropertyKey[] = []): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return { ...issue, path: [...base, ...issue.path] };
  const path = [...base, ...issue.path];
  const inner = issue.errors
    .flatMap((branch) => branch.map((one) => deepest(one, path)))
    .filter((one) => one.path.length > path.length || one.code === 'unrecognized_keys');
  return inner[0] ?? { ...issue, path };
}

/** One line for the first thing that is wrong. */
export function describeIssue(
  error: z.ZodError,
  schema: z.ZodType,
  value: unknown,
  place: string,
): UserError {
  const issues = error.issues.map((issue) => deepest(issue));
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  const path = pathText(issue.path);
  const where = path === '' ? place : `${place}: ${path}`;
  if (issue.code === 'unrecognized_keys') {
    const { message } = unknownName('key', issue.keys[0]!, keysAt(schema, issue.path));
    return new UserError(`${where}: ${message}`);
  }
  const wrong = at(value, issue.path);
  if (wrong === undefined) return new UserError(`${where} is missing: expected ${issue.message}`);
  return new UserError(`${where}=${shorten(wrong)}: expected ${issue.message}`);
}

/** @throws UserError for a key that has no effect */
function checkEffect(value: unknown, scenario: Scenario, place: string, isWritten: boolean): void {
  const idle = withoutEffect(scenarioSchema, value, scenario, isWritten);
  if (idle === null) return;
  throw new UserError(`${place}: ${pathText(idle.path)}=${shorten(at(value, idle.path))}: ${idle.why}`);
}

/**
 * A scenario from an object, with its defaults filled.
 * @param place what errors begin with: the file's name
 * @throws UserError
 */
export function parseScenario(value: unknown, place = 'scenario'): Scenario {
  return parsed(value, place, false);
}

function parsed(value: unknown, place: string, isWritten: boolean): Scenario {
  checkNesting(value, place);
  const result = scenarioSchema.safeParse(value);
  if (!result.success) throw describeIssue(result.error, scenarioSchema, value, place);
  const scenario = result.data as Scenario;
  checkEffect(value, scenario, place, isWritten);
  checkScenario(scenario, place);
  return scenario;
}

/** A scenario from a YAML or JSON text. @throws UserError */
export function parseScenarioText(text: string, place = 'scenario'): Scenario {
  return parsed(parseYaml(text, place), place, true);
}

/** A scenario from a file. @throws UserError */
export function readScenario(path: string, files: FilesAllowed = 'pipes'): Scenario {
  return parseScenarioText(readTextFile(path, path, files), path);
}

/** Costs in part or whole from an object, completed. @throws UserError */
export function parseCosts(value: unknown, place = 'costs'): Costs {
  checkNesting(value, place);
  const whole = costsSchema.safeParse(value);
  if (whole.success) return whole.data;
  const part = partialCostsSchema.safeParse(value);
  if (!part.success) throw describeIssue(part.error, partialCostsSchema, value, place);
  return completeCosts(part.data as PartialCosts);
}

/** Costs from a file. @throws UserError */
export function readCosts(path: string, files: FilesAllowed = 'pipes'): Costs {
  return parseCosts(parseYaml(readTextFile(path, path, files), path), path);
}
