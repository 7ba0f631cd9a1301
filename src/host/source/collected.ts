/**
 * The shapes of what the doctor puts beside a host's files: JSON that somebody else may have written.
 *
 * Promise: what passes is what checks expect to find; the rest is `Unknown` with its reason, field by field where a
 * device's answers are concerned.
 */
import { z } from '../../vendor/zod.js';
import type { EthtoolFacts, Statistics } from '../ask/ethtool-facts.js';
import type { NetdevFacts } from '../ask/netdev.js';
import { type Fact, unknown } from '../fact.js';

const number = z.number();
const whole = z.int().min(0);
const orNull = <T extends z.ZodType>(shape: T) => shape.nullable();
const reason = z.object({ unknown: z.string(), because: z.enum(['absent', 'denied', 'other']) });

const ETHTOOL: { readonly [name in keyof EthtoolFacts]: z.ZodType } = {
  driver: z.string(),
  channels: z.object({
    rx: whole,
    tx: whole,
    combined: whole,
    maxRx: whole,
    maxTx: whole,
    maxCombined: whole,
  }),
  rings: z.object({ rx: whole, maxRx: whole }),
  features: z.record(z.string(), z.object({ on: z.boolean(), fixed: z.boolean() })),
  coalescing: z.object({
    adaptiveRx: orNull(z.boolean()),
    rxUsecs: orNull(number),
    rxFrames: orNull(number),
  }),
  rss: z.object({
    entries: z.array(whole),
    key: orNull(z.string()),
    function: orNull(z.string()),
    symmetric: z.string(),
  }),
  fields: z.record(z.string(), z.string()),
  rules: z.array(
    z.object({
      location: number,
      queue: orNull(number),
      context: orNull(number),
      contextExists: orNull(z.boolean()),
    }),
  ),
};

// As wide as netlink has them.
const queue = { ifindex: number, type: z.enum(['rx', 'tx']), id: number };
const NETDEV: { readonly [name in keyof NetdevFacts]: z.ZodType } = {
  queues: z.array(z.object({ ...queue, napi: orNull(number) })),
  napis: z.array(
    z.object({
      ...{ ifindex: number, id: number, irq: orNull(number), pid: orNull(number) },
      ...{ deferHardIrqs: orNull(number), groFlushTimeout: orNull(number) },
    }),
  ),
  counters: z.array(
    z.object({
      ...{ ...queue, packets: orNull(number), bytes: orNull(number) },
      ...{ allocFail: orNull(number), hwDrops: orNull(number) },
    }),
  ),
};

/** Each field as it is where it has its shape, or is an `Unknown`. */
function fieldwise<T extends object>(
  shapes: { readonly [name in keyof T]: z.ZodType },
  value: object,
  path: string,
): Partial<T> {
  const found = Object.entries(shapes).flatMap(([name, shape]) => {
    const given = (value as Record<string, unknown>)[name];
    if (given === undefined) return [];
    const fits = z.union([reason, shape as z.ZodType]).safeParse(given).success;
    return [[name, fits ? given : unknown(`${path}: ${name}: not what the doctor writes`)]];
  });
  return Object.fromEntries(found) as Partial<T>;
}

/** @param value an object. */
export function collectedEthtool(value: object, path: string): Partial<EthtoolFacts> {
  return fieldwise<EthtoolFacts>(ETHTOOL, value, path);
}

/** @param value an object. */
export function collectedNetdev(value: object, path: string): NetdevFacts {
  const none = unknown(`${path}: not in the collection`, 'absent');
  return { queues: none, napis: none, counters: none, ...fieldwise<NetdevFacts>(NETDEV, value, path) };
}

/** @param value an object. */
export function collectedStatistics(value: object, path: string): Fact<Statistics> {
  const fits = z.record(z.string(), number).safeParse(value).success && !Array.isArray(value);
  return fits ? (value as Statistics) : unknown(`${path}: not what the doctor writes`);
}
