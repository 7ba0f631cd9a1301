/**
 * ethtool's facts by ioctl: the one interface that every kernel has.
 *
 * Promise: only commands that read (the addon refuses others), which need no right; each fact that a driver does not have
 * is an `Unknown`. A structure that comes back shorter or with other counts than asked is an `Unknown` too.
 *
 * Source: include/uapi/linux/ethtool.h.
 */
import { toHex } from '../../hash/hex.js';
import { COUNT_MAX, type Fact, known, map, type Unknown, unknown } from '../fact.js';
import type { Asker } from './asker.js';
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
import { FLOW_SPEC_BYTES, flowSpecWords } from './flow-spec.js';
import { LITTLE } from './netlink.js';

const GET = {
  drvinfo: 0x03,
  coalesce: 0x0e,
  rings: 0x10,
  strings: 0x1b,
  statistics: 0x1d,
  fields: 0x29,
  ruleCount: 0x2e,
  rule: 0x2f,
  ruleList: 0x30,
  stringSets: 0x37,
  features: 0x3a,
  channels: 0x3c,
  rss: 0x46,
} as const;

const SET_STATISTICS = 1;
const SET_FEATURES = 4;
const STRING_BYTES = 32;
/** Room for counters and names that a driver adds between two questions: the kernel writes as many as there are. */
const SLACK = 1024;
const RXNFC_BYTES = 192;
const SPEC_AT = 16;
const RULE_LOCATION_AT = 176;
const RULE_COUNT_AT = 184;
const FLOW_RSS = 0x20000000;

const FLOW_NUMBERS: Readonly<Record<FlowType, number>> = { tcp4: 1, udp4: 2, tcp6: 5, udp6: 6 };
/** Bits of RXH_*, in the letters of `ethtool -N`. */
const FIELD_BITS: readonly (readonly [bit: number, letter: string])[] = [
  [1 << 1, 'm'],
  [1 << 2, 'v'],
  [1 << 3, 't'],
  [1 << 4, 's'],
  [1 << 5, 'd'],
  [1 << 6, 'f'],
  [1 << 7, 'n'],
];

/** One structure: made, sent, and read back. */
class Command {
  readonly bytes: Uint8Array;
  constructor(command: number, size: number) {
    this.bytes = new Uint8Array(size);
    this.set(0, command);
  }
  set(at: number, value: number): this {
    new DataView(this.bytes.buffer).setUint32(at, value, LITTLE);
    return this;
  }
}

/** Reading what is not there throws a RangeError, which becomes the reason: what lies behind a structure is not its own. */
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const word = (bytes: Uint8Array, at: number): number => view(bytes).getUint32(at, LITTLE);
const long = (bytes: Uint8Array, at: number): bigint => view(bytes).getBigUint64(at, LITTLE);
const textAt = (bytes: Uint8Array, at: number, size: number): string => {
  if (at + size > bytes.byteLength) throw new RangeError('the answer is too short');
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + at, size);
  const end = part.indexOf(0);
  return part.toString('utf8', 0, end < 0 ? size : end);
};

function because(error: unknown, what: string): Unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EOPNOTSUPP') return unknown(`${what}: the driver does not tell`, 'absent');
  if (code === 'EPERM' || code === 'EACCES') return unknown(`${what}: no right to ask`, 'denied');
  if (code === 'ENODEV') return unknown(`${what}: the device went meanwhile`, 'absent');
  return unknown(`${what}: ${message}`);
}

/** Asks about one device; failures become reasons. */
function askerOf(asker: Asker, device: string): Ask {
  return (what, command, read) => {
    try {
      return read(asker.ethtool(device, command.bytes));
    } catch (error) {
      return because(error, what);
    }
  };
}

/** Asks for everything about a device but its counters. */
export function askEthtool(asker: Asker, device: string): EthtoolFacts {
  const ask = askerOf(asker, device);
  return {
    driver: ask('driver', new Command(GET.drvinfo, 196), (b) => textAt(b, 4, 32)),
    channels: ask<Channels>('channels', new Command(GET.channels, 36), (b) => {
      const channels = {
        maxRx: word(b, 4),
        maxTx: word(b, 8),
        maxCombined: word(b, 16),
        rx: word(b, 20),
        tx: word(b, 24),
        combined: word(b, 32),
      };
      const most = Math.max(...Object.values(channels));
      return most > COUNT_MAX ? unknown(`channels: ${most} queues`) : channels;
    }),
    rings: ask<Rings>('rings', new Command(GET.rings, 36), (b) => ({ maxRx: word(b, 4), rx: word(b, 20) })),
    coalescing: ask<Coalescing>('coalescing', new Command(GET.coalesce, 92), (b) => ({
      rxUsecs: word(b, 4),
      rxFrames: word(b, 8),
      adaptiveRx: word(b, 40) !== 0,
    })),
    features: featuresOf(ask),
    rss: rssOf(ask, 0),
    fields: fieldsOf(ask),
    rules: rulesOf(ask),
  };
}

/** Asks for the driver's counters. */
export function askStatistics(asker: Asker, device: string): Fact<Statistics> {
  return statisticsOf(askerOf(asker, device));
}

type Ask = <T>(what: string, command: Command, read: (bytes: Uint8Array) => Fact<T>) => Fact<T>;

/** Names of a set of strings. */
function stringsOf(what: string, set: number, ask: Ask): Fact<string[]> {
  const info = new Command(GET.stringSets, 24);
  new DataView(info.bytes.buffer).setBigUint64(8, 1n << BigInt(set), LITTLE);
  const count = ask<number>(what, info, (b) => (long(b, 8) === 0n ? 0 : word(b, 16)));
  return map(count, (n) => {
    if (n === 0) return [];
    if (n > COUNT_MAX) return unknown(`${what}: ${n} names`);
    const command = new Command(GET.strings, 12 + (n + SLACK) * STRING_BYTES).set(4, set).set(8, n);
    return ask(what, command, (b) =>
      Array.from({ length: Math.min(n, word(b, 8)) }, (_, i) =>
        textAt(b, 12 + i * STRING_BYTES, STRING_BYTES),
      ),
    );
  });
}

function statisticsOf(ask: Ask): Fact<Statistics> {
  return map(stringsOf('statistics', SET_STATISTICS, ask), (names) => {
    if (names.length === 0) return {};
    const command = new Command(GET.statistics, 8 + 8 * (names.length + SLACK)).set(4, names.length);
    return ask('statistics', command, (b) => {
      if (word(b, 4) !== names.length) return unknown('statistics: their number changed meanwhile');
      return Object.fromEntries(names.map((name, i) => [name.trim(), Number(long(b, 8 + 8 * i))]));
    });
  });
}

function featuresOf(ask: Ask): EthtoolFacts['features'] {
  return map(stringsOf('features', SET_FEATURES, ask), (names) => {
    const blocks = Math.ceil(names.length / 32);
    const command = new Command(GET.features, 8 + 16 * blocks).set(4, blocks);
    return ask('features', command, (b) => {
      const found: Partial<Record<FeatureName, Feature>> = {};
      for (const [feature, name] of Object.entries(FEATURES)) {
        const at = names.indexOf(name);
        if (at < 0 || at >> 5 >= word(b, 4)) continue;
        const bit = (offset: number) => ((word(b, 8 + 16 * (at >> 5) + offset) >>> (at & 31)) & 1) === 1;
        found[feature as FeatureName] = { on: bit(8), fixed: !bit(0) || bit(12) };
      }
      return found;
    });
  });
}

/** The table of a context: 0 is that of the whole NIC. The sizes are asked for first. */
function rssOf(ask: Ask, context: number): Fact<RssTable> {
  const what = context === 0 ? 'indirection table' : `context ${context}`;
  const sizes = ask(
    what,
    new Command(GET.rss, 24).set(4, context),
    (b) => [word(b, 8), word(b, 12)] as const,
  );
  return map(sizes, ([indices, keyBytes]) => {
    if (indices + keyBytes === 0) return unknown(`${what}: the driver has none`, 'absent');
    if (indices > COUNT_MAX || keyBytes > COUNT_MAX) return unknown(`${what}: ${indices} entries`);
    const command = new Command(GET.rss, 24 + 4 * indices + keyBytes)
      .set(4, context)
      .set(8, indices)
      .set(12, keyBytes);
    return ask<RssTable>(what, command, (b) => {
      const bits = b[16]!;
      const name = bits === 1 ? 'toeplitz' : bits === 2 ? 'xor' : bits === 4 ? 'crc32' : null;
      const entries = Array.from({ length: indices }, (_, i) => word(b, 24 + 4 * i));
      const wrong = entries.find((queue) => queue > COUNT_MAX);
      if (wrong !== undefined) return unknown(`${what}: queue ${wrong}`);
      return {
        entries,
        key: keyBytes === 0 ? null : toHex(b.subarray(24 + 4 * indices, 24 + 4 * indices + keyBytes)),
        function: name,
        symmetric: b[17] === 1 ? 'xor' : b[17] === 2 ? 'or-xor' : 'none',
      };
    });
  });
}

function fieldsOf(ask: Ask): EthtoolFacts['fields'] {
  const found: Partial<Record<FlowType, string>> = {};
  let last: Unknown = unknown('hashed fields: the driver does not tell', 'absent');
  for (const type of FLOW_TYPES) {
    const fields = ask(
      'hashed fields',
      new Command(GET.fields, RXNFC_BYTES).set(4, FLOW_NUMBERS[type]),
      (b) => {
        const bits = Number(long(b, 8) & 0xffffffffn);
        return FIELD_BITS.filter(([bit]) => (bits & bit) !== 0)
          .map(([, letter]) => letter)
          .join('');
      },
    );
    if (known(fields)) found[type] = fields;
    else last = fields;
  }
  return Object.keys(found).length > 0 ? found : last;
}

/** RX_CLS_FLOW_DISC. */
const DROP = 0xffff_ffff_ffff_ffffn;

/** What a rule does, as `ethtool -N` takes it; null for a virtual function's queue and for waking up. */
function actionWords(cookie: bigint, context: number | null): string | null {
  if (cookie === DROP) return 'action -1';
  if (cookie > 0xffffn) return null;
  return context === null ? `action ${cookie}` : `context ${context} action ${cookie}`;
}

function rulesOf(ask: Ask): EthtoolFacts['rules'] {
  const count = ask('flow rules', new Command(GET.ruleCount, RXNFC_BYTES), (b) => word(b, RULE_COUNT_AT));
  return map(count, (n) => {
    if (n === 0) return [];
    if (n > COUNT_MAX) return unknown(`flow rules: ${n} of them`);
    const list = new Command(GET.ruleList, RXNFC_BYTES + 4 * n).set(RULE_COUNT_AT, n);
    const locations = ask('flow rules', list, (b) =>
      Array.from({ length: Math.min(n, word(b, RULE_COUNT_AT)) }, (_, i) =>
        word(b, RULE_COUNT_AT + 4 + 4 * i),
      ),
    );
    return map(locations, (all) => {
      const rules: Rule[] = [];
      for (const location of all) {
        const rule = ask(
          'flow rules',
          new Command(GET.rule, RXNFC_BYTES).set(RULE_LOCATION_AT, location),
          (b) => {
            const cookie = long(b, 168);
            const context = (word(b, SPEC_AT) & FLOW_RSS) === 0 ? null : word(b, RULE_COUNT_AT);
            const table = context === null ? null : rssOf(ask, context);
            const compares = flowSpecWords(b.subarray(SPEC_AT, SPEC_AT + FLOW_SPEC_BYTES));
            const does = actionWords(cookie, context);
            return {
              location,
              // Beyond, the cookie names a virtual function's.
              queue: cookie > BigInt(COUNT_MAX) ? null : Number(cookie),
              context,
              contextExists: table === null ? null : known(table),
              words: compares === null || does === null ? null : `${compares} ${does} loc ${location}`,
              table: table !== null && known(table) ? table : null,
            };
          },
        );
        // One that was deleted between the list and this question is no rule any more.
        if (known(rule)) rules.push(rule);
      }
      return rules;
    });
  });
}
