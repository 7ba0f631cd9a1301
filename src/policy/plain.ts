/**
 * The plain policy strings, read without the schema library.
 *
 * Promise: `parsePlain(text)` is what `parsePolicy(text)` gives, or null: for every string that has more in it than
 * the few keys below, and for every one with a mistake. It exists because loading the schemas takes a tenth of a
 * second, as long as replaying a million packets; a test holds the two against each other. Pure.
 */
import { SYMMETRIC } from '../hash/tuple-hash.js';
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { NIC_NAMES } from '../nic/profiles.js';
import { parseNumberList, QUEUES_MAX, WORKER_MAX } from './numbers.js';
import type { PolicySpec } from './spec.js';

/** The value of a key's text, or undefined for one that is left to the schema. */
type Reader = (text: string) => unknown;

function integer(least: number, most: number): Reader {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
    return value >= least && value <= most ? value : undefined;
  };
}

function oneOf(names: readonly string[]): Reader {
  return (text) => (names.includes(text) ? text : undefined);
}

function namesOf(names: readonly string[]): Reader {
  return (text) => {
    const list = text.split('+');
    return list.every((name) => names.includes(name)) ? list : undefined;
  };
}

function cpus(text: string): unknown {
  if (!/^\d{1,4}([-+]\d{1,4})*$/.test(text)) return undefined;
  try {
    const list = parseNumberList(text, 'cpus');
    return list.every((cpu) => cpu <= WORKER_MAX) && new Set(list).size === list.length ? list : undefined;
  } catch {
    return undefined;
  }
}

const seed = integer(0, 0xffffffff);
const key: Reader = (text) => text;

interface Plain {
  /** What the schema and the context `model` fill in. */
  readonly defaults: object;
  readonly after: object;
  readonly required: readonly string[];
  readonly keys: Readonly<Record<string, Reader>>;
}

const PLAIN: Readonly<Record<string, Plain>> = {
  single: { defaults: { seed: 1 }, after: { order: 'none', stage: 'cpu' }, required: [], keys: { seed } },
  'round-robin': {
    defaults: { seed: 1 },
    after: { order: 'none', stage: 'cpu' },
    required: [],
    keys: { seed },
  },
  rss: {
    defaults: { seed: 1, nic: 'generic' },
    after: { order: 'none', stage: 'nic' },
    required: [],
    keys: {
      seed,
      nic: oneOf(NIC_NAMES),
      queues: integer(1, QUEUES_MAX),
      key,
      types: namesOf(HASH_TYPE_NAMES),
      symmetric: oneOf(SYMMETRIC),
    },
  },
  rps: {
    defaults: { seed: 1, hash: 'linux' },
    after: { order: 'linux', stage: 'cpu' },
    required: ['cpus'],
    keys: { seed, cpus, hash: oneOf(['linux', 'toeplitz']), key },
  },
};

/** The validated policy of a plain string in the context `model` (replay, explain, the library), or null. */
export function parsePlain(given: string): PolicySpec | null {
  const text = given.trim();
  const colon = text.indexOf(':');
  const policy = colon < 0 ? text : text.slice(0, colon);
  if (!Object.hasOwn(PLAIN, policy)) return null;
  const { defaults, after, required, keys } = PLAIN[policy]!;
  const values: Record<string, unknown> = {};
  for (const pair of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, equals)).trim();
    if (!Object.hasOwn(keys, name) || Object.hasOwn(values, name)) return null;
    const value = keys[name]!(pair.slice(equals + 1).trim());
    if (value === undefined) return null;
    values[name] = value;
  }
  if (required.some((name) => !Object.hasOwn(values, name))) return null;
  return { policy, ...defaults, ...values, text, ...after } as PolicySpec;
}
