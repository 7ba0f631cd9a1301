/**
 * Keys that have an effect only beside another key of the same object: a closed load's clients, a path's own settings.
 *
 * Promise: one table says it, and three things follow from it: the JSON Schema's conditions (`conditionsOf`), what is
 * refused (`withoutEffect`), and the words for that. A key that would be ignored is never accepted; one that says what
 * holds anyway (its default) is, but in a file not where it belongs to another kind or path.
 */
import { z } from '../vendor/zod.js';

/** What must hold of the other key: one of some values, a least number, that it is given, or that it is not. */
export type Holds = readonly (string | boolean)[] | { readonly least: number } | 'given' | 'absent';
/** All of these must hold. */
export type Beside = { readonly [key: string]: Holds };
/** By key: what it goes with, or several such, of which one must hold. */
export type GoesWith<S> = { readonly [K in keyof S]?: Beside | readonly Beside[] };

type Table = { readonly [key: string]: Beside | readonly Beside[] | undefined };
type Shape = Readonly<Record<string, z.ZodType>>;
type Json = Record<string, unknown>;

/** Keys that choose a kind: what belongs to another one is refused whatever it says. */
const SELECTORS: readonly string[] = ['kind', 'path'];
/** The table behind the conditions of a schema. */
const TABLES = new WeakMap<object, Table>();

const alternatives = (rule: Beside | readonly Beside[]): readonly Beside[] =>
  (Array.isArray(rule) ? rule : [rule]) as readonly Beside[];

/** What a key is where nothing is said. */
function fallback(shape: Shape, key: string): unknown {
  const parsed = shape[key]?.safeParse(undefined);
  return parsed?.success === true ? parsed.data : undefined;
}

function isTrue(value: unknown, holds: Holds): boolean {
  if (holds === 'given') return value !== undefined;
  if (holds === 'absent') return value === undefined;
  if ('least' in holds) return typeof value === 'number' && value >= holds.least;
  return (holds as readonly unknown[]).includes(value);
}

/** One condition of an object, for JSON Schema. */
function conditionOf(key: string, holds: Holds, shape: Shape, about: string): Json {
  if (holds === 'given') return { required: [key] };
  if (holds === 'absent') return { not: { required: [key] } };
  const limits = 'least' in holds ? { minimum: holds.least } : { enum: holds };
  return {
    properties: { [key]: { ...limits, description: about } },
    ...(isTrue(fallback(shape, key), holds) ? {} : { required: [key] }),
  };
}

/** The conditions as JSON Schema's `allOf`, known to `withoutEffect`. */
export function conditionsOf(shape: Shape, table: Table): Json[] {
  const allOf = Object.entries(table).map(([key, rule]) => {
    const about = `${key} goes with it`;
    const each = alternatives(rule!).map((beside) => ({
      allOf: Object.entries(beside).map(([other, holds]) => conditionOf(other, holds, shape, about)),
    }));
    const usual = fallback(shape, key);
    const isStrict = alternatives(rule!).some((beside) => SELECTORS.some((name) => name in beside));
    const unusual =
      usual === undefined || isStrict ? {} : { properties: { [key]: { not: { const: usual } } } };
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
    return { if: { required: [key], ...unusual }, then: each.length === 1 ? each[0] : { anyOf: each } };
  });
  TABLES.set(allOf, table);
  return allOf;
}

const shown = (value: unknown) => (value === undefined ? 'missing' : String(value));

/** Why a key has no effect beside the others: one of its conditions that does not hold. */
function reason(other: string, holds: Holds, value: unknown): string {
  if (holds === 'given') return `goes with ${other}, which is missing`;
  if (holds === 'absent') return `does not go with ${other}`;
  if ('least' in holds) return `goes with ${other} of at least ${holds.least}, not ${shown(value)}`;
  const list = holds.map(String);
  const last = list.pop()!;
  return `goes with ${other} ${list.length === 0 ? last : `${list.join(', ')} or ${last}`}, not ${shown(value)}`;
}

/** The object, array or record inside defaults, options and the like. */
function bare(schema: z.ZodType | undefined, value: unknown): z.ZodType | undefined {
  if (schema === undefined || schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodUnion) {
    const fitting = (schema.options as z.ZodType[]).find((option) => option.safeParse(value).success);
    return bare(fitting, value);
  }
  const { def } = schema as { def?: { innerType?: z.ZodType; in?: z.ZodType; out?: z.ZodType } };
  if (def?.innerType !== undefined) return bare(def.innerType, value);
  if (def?.out !== undefined && !(def.out instanceof z.ZodTransform)) return bare(def.out, value);
  return def?.in === undefined ? schema : bare(def.in, value);
}

/** A key that would have no effect. */
export interface Ineffective {
  readonly path: readonly PropertyKey[];
  readonly why: string;
}

/**
 * The first key of a value that has no effect; null when all have.
 * @param value as it was given, and `parsed` as the schema made it
 * @param isWritten by hand; else defaults may have been filled in
 */
export function withoutEffect(
  schema: z.ZodType,
  value: unknown,
  parsed: unknown,
  isWritten: boolean,
  path: readonly PropertyKey[] = [],
): Ineffective | null {
  if (typeof value !== 'object' || value === null || typeof parsed !== 'object' || parsed === null)
    return null;
  const type = bare(schema, value);
  const inner = (of: z.ZodType, key: string | number) => {
    const [given, made] = [value, parsed].map((one) => (one as Record<string | number, unknown>)[key]);
    return withoutEffect(of, given, made, isWritten, [...path, key]);
  };
  if (type instanceof z.ZodArray && Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = inner(type.element as z.ZodType, i);
      if (found !== null) return found;
    }
    return null;
  }
  if (Array.isArray(value)) return null;
  if (type instanceof z.ZodRecord) {
    for (const key of Object.keys(value)) {
      const found = inner(type.valueType as z.ZodType, key);
      if (found !== null) return found;
    }
    return null;
  }
  if (!(type instanceof z.ZodObject)) return null;
  const shape = type.shape as Shape;
  const table = TABLES.get((type.meta() as { allOf?: object } | undefined)?.allOf ?? {}) ?? {};
  for (const [key, given] of Object.entries(value)) {
    if (given === undefined) continue;
    const why = whyNot(table[key], key, parsed as Json, shape, isWritten);
    if (why !== null) return { path: [...path, key], why };
    const found = shape[key] === undefined ? null : inner(shape[key], key);
    if (found !== null) return found;
  }
  return null;
}

/** Why a key of an object has no effect; null when it has. */
function whyNot(
  rule: Beside | readonly Beside[] | undefined,
  key: string,
  parsed: Json,
  shape: Shape,
  isWritten: boolean,
): string | null {
  if (rule === undefined) return null;
  const broken = alternatives(rule).map((beside) =>
    Object.entries(beside).find(([other, holds]) => !isTrue(parsed[other], holds)),
  );
  if (broken.includes(undefined)) return null;
  // The kind first: of alternatives, the one whose kind is right says what else is missing.
  const [other, holds] = broken.find((one) => !SELECTORS.includes(one![0])) ?? broken[0]!;
  const isSelector = SELECTORS.includes(other);
  const isUsual = JSON.stringify(parsed[key]) === JSON.stringify(fallback(shape, key));
  if (isUsual && !(isSelector && isWritten)) return null;
  if (!isSelector) return reason(other, holds, parsed[other]);
  const kinds = alternatives(rule).flatMap((beside) => (beside[other] ?? []) as string[]);
  return reason(other, kinds, parsed[other]);
}
