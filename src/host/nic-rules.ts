/**
 * The flow rules of a device, as it was read, as keys of a policy.
 *
 * Promise: rules in the words of `ethtool -N`, and the contexts that they name, numbered from 1 as policies number them;
 * how many rules are left out and why: they compare what no model does, or lead to a queue or context that is not there
 * (what the driver does with those is its own). Pure.
 */
import type { RssTable, Rule } from './ask/ethtool-facts.js';

/** Locations that the model of a NIC has, if nothing else is known. */
const LOCATIONS = 1024;

/** Rules for a policy. */
export interface RuleWords {
  readonly rules: readonly string[];
  readonly contexts: readonly { readonly entries: readonly number[]; readonly key?: string }[];
  /** What is not followed: one sentence each. */
  readonly left: readonly string[];
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} flow rule${count === 1 ? '' : 's'} ${what}`];
}

/** @param queues of the device */
export function rulesOfDevice(all: readonly Rule[], queues: number): RuleWords {
  const ordered = [...all].sort((a, b) => a.location - b.location);
  const tables = new Map<number, RssTable>();
  const isRead = ({ words }: Rule) => (words ?? null) !== null;
  const isUntold = ({ context, contextExists, table }: Rule) =>
    context !== null && contextExists !== false && (table ?? null) === null;
  const isThere = ({ queue, context, table }: Rule) =>
    context === null ? queue === null || queue < queues : (table ?? null) !== null;
  const followed = ordered.filter((rule) => isRead(rule) && isThere(rule));
  for (const { context, table } of followed) if (context !== null) tables.set(context, table!);
  const numbers = new Map([...tables.keys()].map((context, i) => [context, i + 1]));
  // The order decides; places beyond those of the model become the lowest ones in that order.
  const isHigh = followed.some(({ location }) => location >= LOCATIONS);
  return {
    rules: followed.map(({ words, context, location }, i) =>
      words!
        .replace(` context ${context} `, ` context ${numbers.get(context ?? -1)} `)
        .replace(/ loc \d+$/, ` loc ${isHigh ? i : location}`),
    ),
    contexts: [...tables.values()].map(({ entries, key }) => ({ entries, ...(key === null ? {} : { key }) })),
    left: [
      ...counted(
        ordered.filter((rule) => !isRead(rule)).length,
        'not followed: what is compared or done is not modelled (give rules=… as ethtool -N takes them)',
      ),
      ...counted(
        ordered.filter((rule) => isRead(rule) && !isThere(rule) && !isUntold(rule)).length,
        'not followed: no such queue or context',
      ),
      ...counted(
        ordered.filter((rule) => isRead(rule) && isUntold(rule)).length,
        'not followed: the table of the RSS context could not be read',
      ),
    ],
  };
}
