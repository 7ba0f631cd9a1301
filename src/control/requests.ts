/**
 * What may be asked of a running forwarder: the bodies of control requests and their schemas.
 *
 * Promise: a body that went through its schema has the types and ranges said here; anything else is one UserError
 * line that names the field and what is permitted. What depends on the engine is checked by the engine.
 */

import { UserError, unknownName } from '../errors.js';
import { z } from '../vendor/zod.js';

const whole = (least: number, most: number) => {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};
const number = (least: number, most: number) => {
  const error = `expected a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
};
const text = (what: string) => z.string({ error: `expected ${what}` }).min(1, { error: `expected ${what}` });

const policy = z.union([z.string(), z.record(z.string(), z.unknown())], {
  error: 'expected a policy: a string or an object',
});
const budget = whole(1, 1_000_000).optional();
const freeze = z
  .union([z.string(), z.array(z.string())], {
    error: 'expected buckets, MAC addresses and flows: a string or a list',
  })
  .optional();

/** Bodies by route. */
export const bodies = {
  plan: z.strictObject({ policy, budget, freeze }),
  apply: z.strictObject({
    policy,
    budget,
    freeze,
    dryRun: z.boolean({ error: 'expected true or false' }).optional(),
  }),
  rollback: z.strictObject({}),
  owner: z.strictObject({
    mac: text('a MAC address'),
    vlan: whole(0, 4094).nullable().optional(),
    worker: whole(0, 1023),
  }),
  worker: z.discriminatedUnion(
    'action',
    [
      z.strictObject({ action: z.literal('add') }),
      z.strictObject({ action: z.literal('remove'), id: whole(0, 1023) }),
    ],
    { error: 'expected action add, or action remove with id' },
  ),
  port: z.discriminatedUnion(
    'action',
    [
      z.strictObject({
        action: z.literal('add'),
        port: text('a port NAME=KIND:TARGET[,option=value…]'),
      }),
      z.strictObject({ action: z.literal('remove'), name: text('the name of a port') }),
    ],
    { error: 'expected action add with port, or action remove with name' },
  ),
  rebalance: z.strictObject({
    mode: z.enum(['off', 'dry', 'auto'], { error: 'expected off, dry or auto' }).optional(),
    threshold: number(1, 1000).optional(),
    intervals: whole(1, 3600).optional(),
    gain: number(0, 1000).optional(),
    moves: whole(1, 65536).optional(),
    bound: number(1, 1000).optional(),
    least: whole(0, 1_000_000_000).optional(),
    freeze,
  }),
  trace: z.strictObject({
    n: whole(1, 10_000),
    timeoutMs: whole(1, 600_000).optional(),
  }),
} as const;

/** Names of the routes that take a body. */
export type BodyName = keyof typeof bodies;
/** A checked body. */
export type Body<N extends BodyName> = z.infer<(typeof bodies)[N]>;

/** Checks a body. @throws UserError */
export function parseBody<N extends BodyName>(name: N, value: unknown): Body<N> {
  const result = bodies[name].safeParse(value ?? {});
  if (result.success) return result.data as Body<N>;
  const issue = result.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    throw unknownName(`field of ${name}`, issue.keys[0]!, fieldsOf(name));
  }
  const place = issue.path.length > 0 ? `${name} ${issue.path.join('.')}` : name;
  throw new UserError(`${place}: ${issue.message}`, { code: 'RXS_REQUEST' });
}

function fieldsOf(name: BodyName): string[] {
  const schema = bodies[name];
  const objects = schema instanceof z.ZodDiscriminatedUnion ? schema.options : [schema];
  return [...new Set(objects.flatMap((object) => Object.keys((object as z.ZodObject).shape)))];
}
