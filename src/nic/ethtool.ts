/**
 * What `ethtool -x DEV` and `ethtool -n DEV rx-flow-hash TYPE` print, read back: key, table, fields of a real NIC.
 *
 * Promise: reads the text form and the JSON form of `-x`, several outputs one behind the other (`-x` once, `-n` as
 * often as there are types); what it cannot model exactly is a UserError, never a guess. Pure.
 *
 * Source: the output of ethtool 5.x and 6.x.
 */
import { UserError } from '../errors.js';
import { toHex } from '../hash/hex.js';
import type { Symmetric } from '../hash/tuple-hash.js';
import type { HashTypeName } from './hash-types.js';
import { TABLE_SIZE_MAX } from './indirection-table.js';

/** Absent = the output does not say. */
export interface EthtoolRss {
  readonly entries?: number[];
  /** Receive rings. */
  readonly queues?: number;
  /** Hex. */
  readonly key?: string;
  readonly symmetric?: Symmetric;
  /** Transport types that the output mentions, and whether their ports are hashed (addresses always are). */
  readonly ports: Partial<Record<HashTypeName, boolean>>;
}

type Mutable<T> = { -readonly [K in keyof T]?: T[K] };

const FIELDS_HEADING = /^(.+) over (IPV[46]) flows use these fields for computing Hash flow key:$/i;
const UNSUPPORTED = /not supported/i;

/** Fields of one flow type; null for lines that are none. */
const FIELD_LETTERS: Readonly<Record<string, string>> = {
  'IP SA': 's',
  'IP DA': 'd',
  'L4 bytes 0 & 1 [TCP/UDP src port]': 'f',
  'L4 bytes 2 & 3 [TCP/UDP dst port]': 'n',
  L2DA: 'm',
  'VLAN tag': 'v',
  'L3 proto': 't',
  None: '',
};

/** @param place names the input in errors. @throws UserError */
export function parseEthtool(text: string, place: string): EthtoolRss {
  if (/^\s*\[/.test(text)) return parseJson(text, place);
  const ports: Partial<Record<HashTypeName, boolean>> = {};
  const result: Mutable<EthtoolRss> = {};
  let sawFields = false;
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const heading = /^RX flow hash indirection table for .* with (\d+) RX ring/.exec(line);
    if (heading !== null) {
      if (result.queues !== undefined)
        throw new UserError(`${place}: line ${at + 1}: a second table; one NIC is wanted`);
      result.queues = Number(heading[1]);
      const entries = readEntries(lines, at + 1, place);
      if (entries.length > 0) result.entries = entries;
    } else if (line === 'RSS hash key:') {
      const key = lines[at + 1] ?? '';
      if (!UNSUPPORTED.test(key)) {
        if (!/^[0-9a-f]{2}(:[0-9a-f]{2})*$/i.test(key))
          throw new UserError(`${place}: line ${at + 2}: not a hash key`);
        result.key = key.replaceAll(':', '').toLowerCase();
      }
    } else if (line === 'RSS hash function:') {
      checkFunction(switchedOn(lines, at + 1), place);
    } else if (line === 'RSS input transformation:') {
      result.symmetric = symmetricOf(switchedOn(lines, at + 1), place);
    } else {
      const fields = FIELDS_HEADING.exec(line);
      if (fields === null) continue;
      sawFields = true;
      noteFields(ports, fields[1]!, fields[2]!, readFields(lines, at + 1, place), place);
    }
  }
  if (result.queues === undefined && !sawFields) {
    throw new UserError(`${place}: no output of ethtool -x or ethtool -n DEV rx-flow-hash TYPE`);
  }
  return { ...result, ports };
}

/** Rows of `  8:      0     1 …`; their numbers must go on without a gap. */
function readEntries(lines: readonly string[], from: number, place: string): number[] {
  const entries: number[] = [];
  for (let at = from; at < lines.length; at++) {
    const row = /^(\d+):\s*((?:\d+\s*)+)$/.exec(lines[at]!);
    if (row === null) break;
    if (Number(row[1]) !== entries.length) {
      throw new UserError(`${place}: line ${at + 1}: table row ${row[1]} where row ${entries.length} is due`);
    }
    entries.push(...row[2]!.trim().split(/\s+/).map(Number));
    if (entries.length > TABLE_SIZE_MAX)
      throw new UserError(`${place}: table of more than ${TABLE_SIZE_MAX} entries`);
  }
  return entries;
}

/** Names of the following `name: on` lines. */
function switchedOn(lines: readonly string[], from: number): string[] {
  const on: string[] = [];
  for (let at = from; at < lines.length; at++) {
    const setting = /^([\w-]+): (on|off)$/.exec(lines[at]!);
    if (setting === null) break;
    if (setting[2] === 'on') on.push(setting[1]!);
  }
  return on;
}

function checkFunction(on: readonly string[], place: string): void {
  const other = on.find((name) => name !== 'toeplitz');
  if (other !== undefined) {
    throw new UserError(`${place}: the NIC hashes with ${other}: only toeplitz can be predicted`);
  }
}

function symmetricOf(on: readonly string[], place: string): Symmetric {
  if (on.length > 1) throw new UserError(`${place}: two input transformations at once: ${on.join(', ')}`);
  if (on[0] === undefined) return 'none';
  if (on[0] === 'symmetric-xor') return 'xor';
  if (on[0] === 'symmetric-or-xor') return 'or-xor';
  throw new UserError(`${place}: unknown input transformation ${on[0]}`);
}

function readFields(lines: readonly string[], from: number, place: string): string {
  let letters = '';
  for (let at = from; at < lines.length && lines[at] !== ''; at++) {
    const letter = FIELD_LETTERS[lines[at]!];
    if (letter === undefined) {
      if (FIELDS_HEADING.test(lines[at]!) || /^(RX flow|RSS )/.test(lines[at]!)) break;
      throw new UserError(`${place}: line ${at + 1}: unknown hash field "${lines[at]}"`);
    }
    letters += letter;
  }
  return letters;
}

/** Notes what the fields of one flow type mean. Other types than TCP and UDP have no hash type of their own. */
function noteFields(
  ports: Partial<Record<HashTypeName, boolean>>,
  flow: string,
  ip: string,
  letters: string,
  place: string,
): void {
  const protocol = flow.toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp') return;
  const set = [...letters].sort().join('');
  if (set !== 'ds' && set !== 'dfns') {
    throw new UserError(
      `${place}: ${protocol} over ${ip} hashes the fields "${letters}": sd and sdfn can be predicted`,
    );
  }
  ports[`${protocol}-${ip.toUpperCase() === 'IPV4' ? 'ipv4' : 'ipv6'}`] = set === 'dfns';
}

/** `ethtool --json -x`. */
function parseJson(text: string, place: string): EthtoolRss {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${place}: ${(error as Error).message}`);
  }
  const device = (value as Record<string, unknown>[])[0];
  if (!Array.isArray(value) || value.length !== 1 || typeof device !== 'object' || device === null) {
    throw new UserError(`${place}: JSON for one device is wanted`);
  }
  const result: Mutable<EthtoolRss> = {};
  const numbers = (name: string, most: number): number[] | undefined => {
    const list = device[name];
    if (list === undefined) return undefined;
    const valid = Array.isArray(list) && list.every((n) => Number.isInteger(n) && n >= 0 && n <= most);
    if (!valid) throw new UserError(`${place}: ${name} is not a list of numbers`);
    return list as number[];
  };
  const entries = numbers('rss-indirection-table', 65535);
  const key = numbers('rss-hash-key', 255);
  if (entries !== undefined && entries.length > 0) {
    result.entries = entries;
    result.queues = entries.reduce((a, b) => Math.max(a, b), 0) + 1;
  }
  if (key !== undefined && key.length > 0) result.key = toHex(Uint8Array.from(key));
  const name = device['rss-hash-function'];
  if (typeof name === 'string') checkFunction([name], place);
  const transformation = device['rss-input-transformation'];
  if (typeof transformation === 'object' && transformation !== null) {
    result.symmetric = symmetricOf(
      Object.entries(transformation).flatMap(([which, on]) => (on === true ? [which] : [])),
      place,
    );
  }
  if (result.entries === undefined && result.key === undefined) {
    throw new UserError(`${place}: neither rss-indirection-table nor rss-hash-key`);
  }
  return { ...result, ports: {} };
}
