/**
 * The values of policy strings and files, and their schemas.
 *
 * Promise: the text of a policy string and the value of a YAML or JSON file go through the same schema; a wrong
 * value yields one sentence that says what is permitted. Pure.
 */

import { IMPLEMENTATIONS } from '../hash/kernel.js';
import { SYMMETRIC } from '../hash/tuple-hash.js';
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { z } from '../vendor/zod.js';
import { decimalPattern, wholePattern } from './number-pattern.js';
import { parseNumberList, QUEUES_MAX, WORKER_MAX } from './numbers.js';

export { parseNumberList, QUEUES_MAX, WORKER_MAX };

/**
 * Tells the JSON Schema (`json-schema.ts`) in which other forms parsing takes a value. Of lists in texts the form is all that
 * a schema can say.
 */
export function alsoAs<T extends z.ZodType>(schema: T, ...also: readonly object[]): T {
  return schema.meta({ also });
}

/** A text of this form. */
const text = (pattern: string) => ({ type: 'string', pattern });

/** Form of a list of numbers as a text. */
export const NUMBER_LIST = '^\\d+(-\\d+)?(\\+\\d+(-\\d+)?)*$';

/** A whole number, as a number or as decimal digits. */
export function integer(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  const schema = z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
    z
      .number({ error: expected })
      .int({ error: expected })
      .min(least, { error: expected })
      .max(most, { error: expected }),
  );
  return alsoAs(schema, text(`^${wholePattern(least, most)}$`));
}

/** A number with or without a fraction, as a number or as digits. */
export function decimal(least: number, most: number) {
  const expected = `a number from ${least} to ${most}`;
  const schema = z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : value),
    z.number({ error: expected }).min(least, { error: expected }).max(most, { error: expected }),
  );
  return alsoAs(schema, text(`^${decimalPattern(least, most)}$`));
}

/** One of some words. */
export function oneOf<const T extends readonly [string, ...string[]]>(names: T) {
  return z.enum(names, { error: `one of ${names.join(', ')}` });
}

/** A `+` list or an array of names. */
export function nameList<const T extends readonly [string, ...string[]]>(names: T) {
  const any = `(${names.join('|')})`;
  return alsoAs(
    z.preprocess(splitPlus, z.array(oneOf(names)).min(1, { error: 'at least one name' })),
    text(`^${any}(\\+${any})*$`),
  );
}

/** A `+` list or an array of free names. */
export function stringList() {
  return alsoAs(
    z.preprocess(splitPlus, z.array(z.string({ error: 'a name' }).min(1, { error: 'a name' }))),
    text('^[^+]+(\\+[^+]+)*$'),
  );
}

function splitPlus(value: unknown): unknown {
  return typeof value === 'string' ? value.split('+') : value;
}

/** CPU ids: `0-3+5`, a number, or an array; each once. */
export function cpuList() {
  const schema = numberList(WORKER_MAX, 'CPU ids').refine((cpus) => new Set(cpus).size === cpus.length, {
    error: 'each CPU once',
  });
  return schema.meta({
    also: [text(NUMBER_LIST), { type: 'integer', minimum: 0, maximum: WORKER_MAX }],
    uniqueItems: true,
  });
}

/** Whole numbers: `1+2+3`, ranges, or an array; `example` is what errors show. */
export function numberList(most: number, what: string, example = '0-1+3') {
  const expected = `${what} from 0 to ${most} such as ${example}`;
  const schema = z.preprocess(
    (value) => {
      if (typeof value === 'number') return [value];
      if (typeof value !== 'string') return value;
      try {
        return parseNumberList(value, what);
      } catch {
        return value;
      }
    },
    z
      .array(
        z
          .number({ error: expected })
          .int({ error: expected })
          .min(0, { error: expected })
          .max(most, { error: expected }),
        { error: expected },
      )
      .min(1, { error: expected }),
  );
  return alsoAs(schema, text(NUMBER_LIST), { type: 'integer', minimum: 0, maximum: most });
}

/** A key: name, `random` or hex. YAML reads digits-only hex as a number, which loses digits: refused here. */
export function keyText() {
  return z.string({ error: 'a key name, random, or hex digits (in quotes in a YAML file)' });
}

/** A kernel release, for `linuxBehaviour`; YAML reads 6.18 as a number (and 6.10 as 6.1: in quotes there). */
export const kernelKey = alsoAs(
  z.preprocess(
    (value) => (typeof value === 'number' ? String(value) : value),
    z
      .string({ error: 'a kernel release such as 6.18' })
      .regex(/^\d{1,3}\.\d{1,3}([.-].{0,40})?$/, { error: 'a kernel release such as 6.18' }),
  ),
  { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1000, not: { type: 'integer' } },
).optional();

/** Keys that every policy has. */
export const commonKeys = {
  stage: oneOf(['nic', 'cpu']).optional(),
  order: oneOf(['strict', 'linux', 'none']).optional(),
  seed: integer(0, 0xffffffff).default(1),
};

export const queuesKey = integer(1, QUEUES_MAX).optional();
export const typesKey = nameList(HASH_TYPE_NAMES).optional();
export const symmetricKey = oneOf(SYMMETRIC).optional();
/** Which code hashes: the values are the same. */
export const implementationKey = oneOf(IMPLEMENTATIONS).optional();
