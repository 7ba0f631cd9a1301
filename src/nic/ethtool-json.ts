/**
 * What `ethtool --json -x DEV` prints, read back.
 *
 * Promise: every name in it is understood, or it is a UserError; nothing is passed over. Pure.
 *
 * Source: the ethtool user-space tool (netlink/rss.c), 6.x.
 */
import { toHex } from '../hash/hex.js';
import type { EthtoolLines } from './ethtool-lines.js';

/** What one document says of one device; absent = it does not say. */
export interface JsonRss {
  readonly entries?: number[];
  /** Hex. */
  readonly key?: string;
  /** Hash functions that are on, by ethtool's names; `null` = one without a name. */
  readonly functions?: readonly (string | null)[];
  /** Input transformations that are on; names of bits that have none begin with 0x. */
  readonly transformations?: readonly string[];
}

const NAMES = [
  'ifname',
  'rss-context',
  'rss-indirection-table',
  'rss-hash-key',
  'rss-hash-function',
  'rss-hash-function-raw',
  'rss-input-transformation',
];

/** Bits of the transformations that have names. */
const NAMED_TRANSFORMATIONS = 3;

/** @throws UserError */
export function readJson(source: EthtoolLines, text: string): JsonRss {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw source.problem((error as Error).message.split('\n')[0]!);
  }
  const [device] = value as Record<string, unknown>[];
  if (!Array.isArray(value) || value.length !== 1 || typeof device !== 'object' || device === null) {
    throw source.problem('JSON for one device is wanted');
  }
  const unknown = Object.keys(device).find((name) => !NAMES.includes(name));
  if (unknown !== undefined)
    throw source.problem(`JSON: ${unknown} is not known; known: ${NAMES.join(', ')}`);
  if ((device['rss-context'] ?? 0) !== 0) {
    throw source.problem(`JSON of RSS context ${device['rss-context']}: that of the whole NIC is wanted`);
  }
  const entries = numbers(source, device, 'rss-indirection-table', 65535);
  const key = numbers(source, device, 'rss-hash-key', 255);
  if (entries === undefined && key === undefined) {
    throw source.problem('neither rss-indirection-table nor rss-hash-key');
  }
  const functions = functionsOf(device);
  const transformations = transformationsOf(source, device['rss-input-transformation']);
  return {
    ...(entries === undefined ? {} : { entries }),
    ...(key === undefined ? {} : { key: toHex(Uint8Array.from(key)) }),
    ...(functions === undefined ? {} : { functions }),
    ...(transformations === undefined ? {} : { transformations }),
  };
}

/** A list of numbers; undefined where there is none or an empty one. */
function numbers(
  source: EthtoolLines,
  device: Record<string, unknown>,
  name: string,
  most: number,
): number[] | undefined {
  const list = device[name];
  if (list === undefined) return undefined;
  const isValid = Array.isArray(list) && list.every((n) => Number.isInteger(n) && n >= 0 && n <= most);
  if (!isValid) throw source.problem(`${name} is not a list of numbers`);
  return list.length === 0 ? undefined : (list as number[]);
}

function functionsOf(device: Record<string, unknown>): (string | null)[] | undefined {
  const name = device['rss-hash-function'];
  if (device['rss-hash-function-raw'] !== undefined) return [null];
  if (name === undefined) return undefined;
  return [typeof name === 'string' ? name : null];
}

function transformationsOf(source: EthtoolLines, value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw source.problem('rss-input-transformation is no object');
  }
  return Object.entries(value).flatMap(([name, on]) => {
    if (on === false) return [];
    if (name === 'raw' && typeof on === 'number') {
      const unnamed = on & ~NAMED_TRANSFORMATIONS;
      return unnamed === 0 ? [] : [`0x${(unnamed >>> 0).toString(16)}`];
    }
    return [on === true ? name : `${name} (${JSON.stringify(on)})`];
  });
}
