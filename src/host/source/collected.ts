/**
 * The shapes of what the doctor puts beside a host's files: JSON that somebody else may have written.
 *
 * Promise: what passes is what checks expect to find; the rest is `Unknown` with its reason, field by field where a
 * device's answers are concerned.
 */
import type { EthtoolFacts, Statistics } from '../ask/ethtool-facts.js';
import type { NetdevFacts } from '../ask/netdev.js';
import { COUNT_MAX, type Fact, unknown } from '../fact.js';
import {
  count,
  each,
  either,
  fields,
  flag,
  hex,
  list,
  number,
  oneOf,
  orNull,
  type Shape,
  text,
  whole,
} from './shape.js';

const reason = fields({ unknown: text, because: oneOf('absent', 'denied', 'other') });

/** A device's list. */
const few =
  (shape: Shape): Shape =>
  (value) =>
    list(shape)(value) && (value as unknown[]).length <= COUNT_MAX;

const table = fields({ entries: few(count), key: orNull(hex), function: orNull(text), symmetric: text });
const absent: Shape = (value) => value === undefined;

const ETHTOOL: { readonly [name in keyof EthtoolFacts]: Shape } = {
  driver: text,
  channels: fields({ rx: count, tx: count, combined: count, maxRx: count, maxTx: count, maxCombined: count }),
  rings: fields({ rx: whole, maxRx: whole }),
  features: each(fields({ on: flag, fixed: flag })),
  coalescing: fields({ adaptiveRx: orNull(flag), rxUsecs: orNull(number), rxFrames: orNull(number) }),
  rss: table,
  fields: each(text),
  rules: few(
    fields({
      location: number,
      queue: orNull(count),
      context: orNull(number),
      contextExists: orNull(flag),
      // Collections of older versions have neither.
      words: either(orNull(text), absent),
      table: either(orNull(table), absent),
    }),
  ),
};

// As wide as netlink has them.
const queue = { ifindex: number, type: oneOf('rx', 'tx'), id: number };
const NETDEV: { readonly [name in keyof NetdevFacts]: Shape } = {
  queues: list(fields({ ...queue, napi: orNull(number) })),
  napis: list(
    fields({
      ...{ ifindex: number, id: number, irq: orNull(number), pid: orNull(number) },
      ...{ deferHardIrqs: orNull(number), groFlushTimeout: orNull(number) },
    }),
  ),
  counters: list(
    fields({
      ...{ ...queue, packets: orNull(number), bytes: orNull(number) },
      ...{ allocFail: orNull(number), hwDrops: orNull(number) },
    }),
  ),
};

/** Each field as it is where it has its shape, or is an `Unknown`. */
function fieldwise<T extends object>(
  shapes: { readonly [name in keyof T]: Shape },
  value: object,
  path: string,
): Partial<T> {
  const found = Object.entries(shapes).flatMap(([name, shape]) => {
    const given = (value as Record<string, unknown>)[name];
    if (given === undefined) return [];
    const fits = either(reason, shape as Shape)(given);
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
  return each(number)(value) ? (value as Statistics) : unknown(`${path}: not what the doctor writes`);
}
