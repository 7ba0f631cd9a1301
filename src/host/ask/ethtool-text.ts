/**
 * ethtool's facts from what the `ethtool` command printed: sosreports, and what people save.
 *
 * Promise: tables, keys, fields and rules are read by the reader that policies use; what it refuses is an `Unknown` with
 * its reason. Numbers that the command prints as `n/a` count as none. Pure.
 *
 * Source: the ethtool user-space tool, 3.x to 6.x.
 */
import { UserError } from '../../errors.js';
import { parseEthtool } from '../../nic/ethtool.js';
import { EthtoolLines } from '../../nic/ethtool-lines.js';
import { readRule } from '../../nic/ethtool-rules.js';
import { COUNT_MAX, type Fact, known, map, unknown } from '../fact.js';
import {
  type Channels,
  type Coalescing,
  type EthtoolFacts,
  FEATURES,
  type Feature,
  type FeatureName,
  FLOW_TYPES,
  type FlowType,
  type Rings,
  type RssTable,
  type Rule,
  type Statistics,
} from './ethtool-facts.js';

/** Gives the output of `ethtool OPTION`; DEV stands for the device. */
export type Printed = (option: string) => Fact<string>;

/** Everything that there is an output of. */
export function ethtoolFromTexts(printed: Printed): EthtoolFacts {
  const fields: Partial<Record<FlowType, string>> = {};
  let noFields: Fact<string> = unknown('hashed fields: not in the collection', 'absent');
  for (const type of FLOW_TYPES) {
    const text = printed(`-n DEV rx-flow-hash ${type}`);
    const letters = map(text, (all) => fieldLetters(all));
    if (known(letters)) fields[type] = letters;
    else noFields = letters;
  }
  return {
    driver: map(printed('-i DEV'), (text) => {
      const driver = /^driver:[ \t]*(\S+)/m.exec(text)?.[1];
      return driver ?? refused(text, 'driver');
    }),
    channels: map(printed('-l DEV'), channelsOf),
    rings: map(printed('-g DEV'), ringsOf),
    features: map(printed('-k DEV'), featuresOf),
    coalescing: map(printed('-c DEV'), coalescingOf),
    rss: map(printed('-x DEV'), rssOf),
    fields: Object.keys(fields).length > 0 ? fields : map(noFields, () => unknown('hashed fields: not told')),
    rules: map(printed('-n DEV'), rulesOf),
  };
}

/** Where the command printed an error instead. */
function refused(text: string, what: string): ReturnType<typeof unknown> {
  const line = text.split('\n').find((l) => /not supported|cannot|no such|not permitted/i.test(l));
  return unknown(
    `${what}: ${line === undefined ? 'the output is not ethtool’s' : 'the driver does not tell'}`,
    'absent',
  );
}

/** Maximum and current value of `name:` lines in the two halves of -l and -g. */
function halves(text: string): [Map<string, number>, Map<string, number>] | null {
  const [maximums, current] = text.split(/^Current hardware settings:.*$/m);
  if (maximums === undefined || current === undefined) return null;
  const read = (part: string) =>
    new Map(
      [...part.matchAll(/^([A-Za-z][\w ]*):[ \t]*(\d+|n\/a)[ \t]*$/gm)].map(([, name, value]) => [
        name!,
        Number(value) || 0,
      ]),
    );
  return [read(maximums), read(current)];
}

function channelsOf(text: string): Fact<Channels> {
  const found = halves(text);
  if (found === null) return refused(text, 'channels');
  const [max, now] = found;
  if ([...max.values(), ...now.values()].some((count) => count > COUNT_MAX))
    return unknown('channels: more than any device has');
  return {
    rx: now.get('RX') ?? 0,
    tx: now.get('TX') ?? 0,
    combined: now.get('Combined') ?? 0,
    maxRx: max.get('RX') ?? 0,
    maxTx: max.get('TX') ?? 0,
    maxCombined: max.get('Combined') ?? 0,
  };
}

function ringsOf(text: string): Fact<Rings> {
  const found = halves(text);
  return found === null
    ? refused(text, 'rings')
    : { rx: found[1].get('RX') ?? 0, maxRx: found[0].get('RX') ?? 0 };
}

function featuresOf(text: string): EthtoolFacts['features'] {
  const features: Partial<Record<FeatureName, Feature>> = {};
  for (const name of Object.keys(FEATURES) as FeatureName[]) {
    const line = new RegExp(`^\\s*${name}: (on|off)(.*)$`, 'm').exec(text);
    if (line !== null) features[name] = { on: line[1] === 'on', fixed: line[2]!.includes('[fixed]') };
  }
  return Object.keys(features).length > 0 ? features : refused(text, 'features');
}

function coalescingOf(text: string): Fact<Coalescing> {
  if (!/^Coalesce parameters/m.test(text)) return refused(text, 'coalescing');
  const number = (name: string) => {
    const value = new RegExp(`^${name}:[ \\t]*(\\d+)`, 'm').exec(text)?.[1];
    return value === undefined ? null : Number(value);
  };
  const adaptive = /^Adaptive RX: (on|off)/m.exec(text)?.[1];
  return {
    adaptiveRx: adaptive === undefined ? null : adaptive === 'on',
    rxUsecs: number('rx-usecs'),
    rxFrames: number('rx-frames'),
  };
}

function rssOf(text: string): Fact<RssTable> {
  try {
    const read = parseEthtool(text, 'ethtool -x');
    if (read.entries === undefined && read.key === undefined) return refused(text, 'indirection table');
    if (read.entries?.some((queue) => queue > COUNT_MAX) === true)
      return unknown('indirection table: it names a queue that no device has');
    return {
      entries: read.entries ?? [],
      key: read.key ?? null,
      function: read.function ?? (/^\s*toeplitz: on$/m.test(text) ? 'toeplitz' : null),
      symmetric: read.symmetric ?? 'none',
    };
  } catch (error) {
    return /not supported|Cannot get/i.test(text)
      ? refused(text, 'indirection table')
      : unknown((error as Error).message);
  }
}

const FIELD_LETTERS: readonly (readonly [name: RegExp, letter: string])[] = [
  [/^L2DA$/m, 'm'],
  [/^VLAN tag$/m, 'v'],
  [/^L3 proto$/m, 't'],
  [/^IP SA$/m, 's'],
  [/^IP DA$/m, 'd'],
  [/^L4 bytes 0 & 1/m, 'f'],
  [/^L4 bytes 2 & 3/m, 'n'],
];

function fieldLetters(text: string): Fact<string> {
  if (!/flows use these fields/i.test(text)) return refused(text, 'hashed fields');
  return FIELD_LETTERS.filter(([name]) => name.test(text))
    .map(([, letter]) => letter)
    .join('');
}

/** A rule as `ethtool -N` takes it; null for what no model compares. */
function wordsOf(part: string): string | null {
  try {
    return readRule(new EthtoolLines(part, 'ethtool -n'));
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

function rulesOf(text: string): EthtoolFacts['rules'] {
  const total = /^Total (\d+) rules$/m.exec(text)?.[1];
  if (total === undefined) return refused(text, 'flow rules');
  const rules: Rule[] = [];
  for (const part of text.split(/^(?=Filter: )/m).slice(1)) {
    const location = /^Filter: (\d+)/.exec(part)![1]!;
    const queue = /^\s*Action: Direct to queue (\d+)/m.exec(part)?.[1];
    const context = /^\s*(?:RSS Context ID:|Action: Direct to RSS context(?: id)?:?) (\d+)/im.exec(part)?.[1];
    rules.push({
      location: Number(location),
      queue: queue === undefined ? null : Number(queue),
      context: context === undefined ? null : Number(context),
      contextExists: null,
      words: wordsOf(part),
    });
  }
  return rules.length === Number(total)
    ? rules
    : unknown(`flow rules: ${total} are announced, ${rules.length} are there`);
}

/** Counters of `ethtool -S`. */
export function statisticsFromText(text: string): Fact<Statistics> {
  const lines = [...text.matchAll(/^[ \t]+(\[?\d*\]?:? ?\S.*?):[ \t]*(\d+)[ \t]*$/gm)];
  if (lines.length > 0) return Object.fromEntries(lines.map(([, name, value]) => [name!, Number(value)]));
  return /no stats available/i.test(text) ? {} : refused(text, 'statistics');
}
