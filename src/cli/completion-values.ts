/**
 * Values that options and arguments may have, for completion.
 *
 * Promise: names are those that the program knows; interfaces and sockets are those that are there now. Of a policy or a
 * port the part that is typed is completed, and each candidate is the whole word. What takes time to load is loaded
 * when it is asked for.
 */
import { readdirSync } from 'node:fs';
import type { PortOption } from '../dataplane/ports/options.js';
import { POLICY_LINES } from './policy-list.js';

/** A value, and a few words about it. */
export type Candidate = readonly [value: string, words?: string];

const each = (values: readonly string[]) => values.map((value): Candidate => [value]);
const fixed =
  (...values: readonly string[]) =>
  async () =>
    each(values);

async function nics(): Promise<Candidate[]> {
  const { NIC_NAMES } = await import('../nic/profiles.js');
  return each(NIC_NAMES);
}

async function keyNames(): Promise<Candidate[]> {
  const { KEY_NAMES } = await import('../hash/keys.js');
  return each([...KEY_NAMES, 'random']);
}

/** Interfaces of this network namespace. */
function interfaces(): string[] {
  try {
    return readdirSync('/sys/class/net').sort();
  } catch {
    return [];
  }
}

async function sockets(): Promise<Candidate[]> {
  const { liveSockets } = await import('../control/socket.js');
  return [...each(await liveSockets()), [':files']];
}

const policyNames = async () =>
  Object.entries(POLICY_LINES).map(([name, { does }]): Candidate => [name, does]);

/** By the option's name, or command and argument. */
export const VALUES: Readonly<Record<string, () => Promise<Candidate[]>>> = {
  mode: fixed('wire', 'switch'),
  rebalance: fixed('dry', 'auto', 'off'),
  implementation: fixed('auto', 'table', 'native', 'bitwise'),
  function: fixed('toeplitz', 'crc32c', 'crc32', 'xor'),
  vary: async () => each((await import('../traffic/find/space.js')).FLOW_FIELDS),
  key: keyNames,
  to: async () => each((await import('../compile/back-ends.js')).TARGET_NAMES),
  dev: async () => each(interfaces()),
  nics,
  socket: sockets,
  'policies name': policyNames,
  'nics name': nics,
  show: async () => each((await import('../simulate/presets/index.js')).presets().map(({ name }) => name)),
  'schema name': fixed('forward', 'policy'),
  'completion shell': fixed('bash', 'zsh', 'fish'),
  'ctl worker action': fixed('add', 'remove'),
  'ctl port action': fixed('add', 'remove'),
  'ctl rebalance mode': fixed('off', 'dry', 'auto'),
};

/** The keys of a policy, and what each may be. */
async function keysOf(name: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const { schemas } = await import('../policy/spec.js');
  if (!Object.hasOwn(schemas, name)) return new Map();
  const { jsonSchemaOf } = await import('../policy/json-schema.js');
  const { properties } = jsonSchemaOf(schemas[name as keyof typeof schemas]) as {
    properties: Record<string, { enum?: string[]; anyOf?: { items?: { enum?: string[] } }[] }>;
  };
  const keys = new Map<string, readonly string[]>();
  for (const [key, { enum: words, anyOf }] of Object.entries(properties)) {
    if (key !== 'policy') keys.set(key, words ?? anyOf?.find(({ items }) => items?.enum)?.items?.enum ?? []);
  }
  const named = { nic: await nics(), key: await keyNames() };
  for (const [key, values] of Object.entries(named))
    if (keys.has(key))
      keys.set(
        key,
        values.map(([value]) => value),
      );
  return keys;
}

/** `rss:nic=ix` */
export async function completePolicy(word: string): Promise<Candidate[]> {
  if (word.startsWith('@')) return [[':files']];
  const colon = word.indexOf(':');
  if (colon < 0) {
    return Object.entries(POLICY_LINES)
      .filter(([name]) => name.startsWith(word))
      .flatMap(([name, { does }]): Candidate[] =>
        // A name that is typed whole may go on.
        name === word ? [[name, does], [`${name}:`]] : [[name === 'js' ? 'js:' : name, does]],
      );
  }
  const name = word.slice(0, colon);
  if (name === 'js') return [[':files']];
  const keys = await keysOf(name);
  return pairs(word, colon + 1, keys);
}

/** The last `key=value` of a word whose pairs begin at `from`. */
function pairs(word: string, from: number, keys: ReadonlyMap<string, readonly string[]>): Candidate[] {
  const start = Math.max(from, word.lastIndexOf(',') + 1);
  const [before, typed] = [word.slice(0, start), word.slice(start)];
  const equals = typed.indexOf('=');
  const used = new Set(
    word
      .slice(from, Math.max(from, start - 1))
      .split(',')
      .map((pair) => pair.split('=')[0]),
  );
  if (equals < 0) {
    return [...keys.keys()]
      .filter((key) => key.startsWith(typed) && !used.has(key))
      .map((key): Candidate => [`${before}${key}=`]);
  }
  const plus = typed.lastIndexOf('+');
  const head = before + typed.slice(0, Math.max(equals, plus) + 1);
  const part = typed.slice(Math.max(equals, plus) + 1);
  const values = keys.get(typed.slice(0, equals)) ?? [];
  return values.filter((value) => value.startsWith(part)).map((value): Candidate => [head + value]);
}

/** `a=af_packet:et` */
export async function completePort(word: string): Promise<Candidate[]> {
  const [{ findKind, portKinds }, { CONSUMER_OPTIONS, SOURCE_OPTIONS }, { findForm, isPlaceholder }] =
    await Promise.all([
      import('../dataplane/ports/kinds.js'),
      import('../dataplane/ports/port-spec.js'),
      import('../dataplane/ports/kind.js'),
    ]);
  const match = /^([^=:,]+)=(?:([a-z0-9_-]*)(?::([^,]*)(,.*)?)?)?$/.exec(word);
  if (match === null) return [];
  const [, name, typed = '', target, rest] = match as unknown as [string, string, string?, string?, string?];
  if (target === undefined) {
    const kinds = portKinds().filter((kind) => kind.name.startsWith(typed));
    return kinds.map((kind): Candidate => [`${name}=${kind.name}:`]);
  }
  const kind = findKind(typed);
  if (kind === undefined) return [];
  const head = `${name}=${typed}:`;
  if (rest === undefined) {
    if (kind.forms.some(({ targetIs }) => targetIs === 'file')) return [[':files']];
    const targets = kind.forms.flatMap((form) =>
      isPlaceholder(form) ? (form.targetIs === 'interface' ? interfaces() : []) : [form.target],
    );
    return targets.filter((one) => one.startsWith(target)).map((one): Candidate => [head + one]);
  }
  const options = { ...findForm(kind, target)?.options, ...CONSUMER_OPTIONS };
  const values = new Map(Object.entries(options).map(([key, option]) => [key, wordsOf(option)]));
  for (const key of SOURCE_OPTIONS) values.set(key, []);
  return pairs(word, word.indexOf(',') + 1, values);
}

/** The words that the value of a port's option may be. */
function wordsOf(option: PortOption): readonly string[] {
  if (option.type === 'switch') return ['on', 'off'];
  return option.type === 'choice' ? option.values : Object.keys(option.words ?? {});
}
