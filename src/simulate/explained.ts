/**
 * Objects whose keys each have a sentence, which the JSON Schema shows.
 *
 * Promise: a key without a sentence does not compile.
 */
import { z } from '../vendor/zod.js';
import { conditionsOf, type GoesWith } from './goes-with.js';

/** Sentences for the keys of an object. */
type Words<S> = { readonly [K in keyof S]: string };

/** The first of its keys. */
function some(words: object): string {
  const keys = Object.keys(words);
  return keys.length > 3 ? `keys such as ${keys.slice(0, 3).join(', ')}` : `the keys ${keys.join(', ')}`;
}

/**
 * An object of these keys and no others, each with its sentence.
 * @param goesWith keys that have an effect only beside others
 */
export function explained<S extends z.ZodRawShape>(shape: S, words: Words<S>, goesWith: GoesWith<S> = {}) {
  const described = Object.entries(shape).map(([key, schema]) => [
    key,
    (schema as z.ZodType).describe((words as Record<string, string>)[key]!),
  ]);
  const object = z.strictObject(Object.fromEntries(described) as S, {
    error: ({ code }) => (code === 'invalid_type' ? `an object with ${some(words)}` : undefined),
  });
  const allOf = conditionsOf(shape as unknown as Readonly<Record<string, z.ZodType>>, goesWith);
  return allOf.length === 0 ? object : object.meta({ allOf });
}
