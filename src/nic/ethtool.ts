/**
 * What `ethtool` prints about a NIC, read back: key, table, fields and flow rules of a real NIC.
 *
 * Promise: reads `-x` (text or JSON), `-n DEV rx-flow-hash TYPE`, `-n DEV` (flow rules), `-i` and `-l`, one behind the
 * other and in any order; each line is understood, or known to say nothing about steering, or a UserError. What it cannot
 * model exactly is a UserError, never a guess. Pure.
 *
 * Source: the ethtool user-space tool, 3.x to 6.x.
 */
import type { Symmetric } from '../hash/tuple-hash.js';
import { readJson } from './ethtool-json.js';
import { EthtoolLines } from './ethtool-lines.js';
import { isRuleStart, readRule } from './ethtool-rules.js';
import type { HashTypeName } from './hash-types.js';
import { TABLE_SIZE_MAX } from './indirection-table.js';

/** What the NIC hashes with, by ethtool's names. */
export type EthtoolFunction = 'xor' | 'crc32';

/** Absent = the output does not say. */
export interface EthtoolRss {
  readonly entries?: number[];
  /** Receive rings. */
  readonly queues?: number;
  /** Hex. */
  readonly key?: string;
  readonly symmetric?: Symmetric;
  /** Absent where it is toeplitz, and where the output does not say. */
  readonly function?: EthtoolFunction;
  /** Transport types that the output mentions, and whether their ports are hashed (addresses always are). */
  readonly ports: Partial<Record<HashTypeName, boolean>>;
  /** Flow rules in the words of `ethtool -N`; absent where there are none. */
  readonly rules?: string[];
  /** Name of the driver, from `ethtool -i`. */
  readonly driver?: string;
  /** What was read and is not modelled, one sentence each; absent where there is nothing. */
  readonly notes?: string[];
}

/** What somebody gives beside the output; what it says of that is not looked at. */
export type GivenBeside = 'entries' | 'queues' | 'key' | 'symmetric' | 'function' | 'types' | 'rules';

type Mutable<T> = { -readonly [K in keyof T]?: T[K] };

const TABLE_HEADING = /^RX flow hash indirection table for (\S+) with (\d+) RX(?: ring\(s\)|s)?(.*):$/;
const FIELDS_HEADING = /^(.+) flows use these fields for computing Hash flow key:$/i;
const CONTEXT_HEADING = /^For RSS context (\d+):$/;
const RINGS = /^(\d+) RX rings available$/;
const RULES = /^Total (\d+) rules$/;
const ROW = /^(?:0x)?([0-9a-f]+):\s*((?:\d+\s*)+)$/i;
const UNSUPPORTED = /not supported/i;
const DRIVER = /^driver: (\S+)$/;
const CHANNEL = /^(RX|TX|Other|Combined):\s*(\d+|n\/a)$/;

/** Lines that say nothing about steering: prompts, what `-i` says besides, what goes to standard error. */
const IDLE = [
  /(^|[\s$>])ethtool\s+-/,
  /^(version|firmware-version|expansion-rom-version|bus-info|supports-[\w-]+):/,
  /^(Cannot get |netlink error: |RX classification rule retrieval failed|Operation not supported$)/,
];

/** Letters of `ethtool -N` for the fields of a flow type. */
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

/**
 * @param place names the input in errors
 * @param beside what need not be read
 * @throws UserError
 */
export function parseEthtool(
  text: string,
  place: string,
  beside: ReadonlySet<GivenBeside> = new Set(),
): EthtoolRss {
  return new Reader(new EthtoolLines(text, place), beside).read();
}

class Reader {
  readonly #result: Mutable<EthtoolRss> = {};
  readonly #ports: Partial<Record<HashTypeName, boolean>> = {};
  readonly #notes: string[] = [];
  readonly #rules: string[] = [];
  #hasTable = false;
  #sawFields = false;
  /** Number of rules that the output announces; -1 = none were asked for. */
  #announced = -1;
  #rings: number | null = null;
  #channels: number | null = null;
  #isCurrent = false;
  /** The next fields are those of a context. */
  #context = 0;
  readonly #contextFields: { readonly context: number; readonly type: HashTypeName; readonly on: boolean }[] =
    [];
  /** A line that is not understood, before any that is. */
  #stray = -1;

  constructor(
    readonly source: EthtoolLines,
    readonly beside: ReadonlySet<GivenBeside>,
  ) {}

  read(): EthtoolRss {
    const { source } = this;
    for (const { text, at } of source.documents) {
      source.at = at;
      this.#readDocument(text);
    }
    source.at = 0;
    let isKnown = source.documents.length > 0;
    for (source.skipEmpty(); source.line !== undefined; source.skipEmpty()) {
      const from = source.at;
      if (this.#readPart(source.line)) isKnown = true;
      else if (IDLE.some((pattern) => pattern.test(source.line!))) source.at++;
      else {
        if (this.#stray < 0) this.#stray = from;
        source.at++;
      }
      if (isKnown && this.#stray >= 0) this.#refuseStray();
    }
    return this.#finish();
  }

  #refuseStray(): never {
    const { source } = this;
    const line = source.lines[this.#stray]!;
    const shown = line.length > 60 ? `${line.slice(0, 60)}…` : line;
    if (/^[0-9a-fx]+:(\s+\d+)+$/i.test(line) || /^\W*([.…]|snip|cut)/i.test(line)) {
      throw source.fault(`"${shown}": the table has a hole; the whole of it is needed`, this.#stray);
    }
    throw source.fault(
      `"${shown}" is not understood; the output of ethtool -x, -n, -i and -l is`,
      this.#stray,
    );
  }

  /** Reads what begins in this line; false where nothing does. */
  #readPart(line: string): boolean {
    const { source } = this;
    const table = TABLE_HEADING.exec(line);
    if (table !== null) {
      if (table[3] !== '') throw source.fault(`a table of${table[3]}: that of the whole NIC is wanted`);
      this.#newTable();
      this.#setRings(Number(table[2]));
      source.at++;
      this.#readEntries();
      return true;
    }
    if (line === 'RSS hash key:') this.#readKey();
    else if (line === 'RSS hash function:') this.#setFunctions(this.#switchedOn(/^Unknown hash function: /));
    else if (line === 'RSS input transformation:') {
      this.#setTransformations(this.#switchedOn(/^Unknown bits in RSS input transformation: /));
    } else if (/ flows /.test(line)) return this.#readFields(line);
    else if (isRuleStart(line)) this.#rules.push(readRule(source));
    else return this.#readNumber(line);
    return true;
  }

  /** Lines with a number or a name, and headings without more than themselves. */
  #readNumber(line: string): boolean {
    const context = CONTEXT_HEADING.exec(line);
    const rings = RINGS.exec(line);
    const rules = RULES.exec(line);
    const driver = DRIVER.exec(line);
    const channel = CHANNEL.exec(line);
    if (context !== null) this.#context = Number(context[1]);
    else if (rings !== null) this.#setRings(Number(rings[1]));
    else if (rules !== null) this.#announced = Math.max(0, this.#announced) + Number(rules[1]);
    else if (driver !== null) {
      const known = this.#result.driver;
      if (known !== undefined && known !== driver[1]) {
        throw this.source.fault(`the driver is ${driver[1]} here and ${known} above; one NIC is wanted`);
      }
      this.#result.driver = driver[1]!;
    } else if (/^(Channel parameters for \S+|Pre-set maximums):$/.test(line)) this.#isCurrent = false;
    else if (line === 'Current hardware settings:') this.#isCurrent = true;
    else if (channel !== null) {
      const isReceive = channel[1] === 'RX' || channel[1] === 'Combined';
      if (this.#isCurrent && isReceive) this.#channels = (this.#channels ?? 0) + (Number(channel[2]) || 0);
    } else return false;
    this.source.at++;
    return true;
  }

  #newTable(): void {
    if (this.#hasTable) throw this.source.fault('a second table; one NIC is wanted');
    this.#hasTable = true;
  }

  #setRings(rings: number): void {
    if (this.#rings !== null && this.#rings !== rings) {
      throw this.source.fault(`${rings} RX rings here and ${this.#rings} above; one NIC is wanted`);
    }
    this.#rings = rings;
  }

  #readDocument(text: string): void {
    this.#newTable();
    const found = readJson(this.source, text);
    if (found.entries !== undefined) this.#result.entries = found.entries;
    if (found.key !== undefined) this.#result.key = found.key;
    if (found.functions !== undefined) this.#setFunctions(found.functions);
    if (found.transformations !== undefined) this.#setTransformations(found.transformations);
  }

  /** Rows of `  8:      0     1 …`; their numbers must go on without a gap. */
  #readEntries(): void {
    const { source } = this;
    const isWanted = !this.beside.has('entries');
    const entries: number[] = [];
    let last = 0;
    for (; source.line !== undefined; source.at++) {
      const { line } = source;
      if (line === '' || UNSUPPORTED.test(line)) continue;
      const row = ROW.exec(line);
      if (row === null) {
        if (isWanted || !/^\W*([.…]|snip|cut)/i.test(line)) break;
        continue;
      }
      if (!isWanted) continue;
      const number = Number.parseInt(row[1]!, line.startsWith('0x') ? 16 : 10);
      if (number !== entries.length || (entries.length > 0 && last !== 8)) {
        throw source.fault(
          `table row ${row[1]} where row ${entries.length - (entries.length % 8)} ${last === 8 || entries.length === 0 ? 'is due' : 'is not complete'}`,
        );
      }
      const cells = row[2]!.trim().split(/\s+/).map(Number);
      last = cells.length;
      entries.push(...cells);
      if (entries.length > TABLE_SIZE_MAX) {
        throw source.problem(`table of more than ${TABLE_SIZE_MAX} entries`);
      }
    }
    if (entries.length > 0) this.#result.entries = entries;
  }

  /** One line, or several where something has wrapped them, maybe in the middle of a byte. */
  #readKey(): void {
    const { source } = this;
    source.at++;
    source.skipEmpty();
    const from = source.at;
    if (source.line === undefined || UNSUPPORTED.test(source.line)) {
      source.at++;
      return;
    }
    let text = '';
    for (; source.line !== undefined && /^[0-9a-fx: ]+$/i.test(source.line); source.at++) text += source.line;
    const digits = text.replace(/0x/gi, '').replace(/[: ]/g, '').toLowerCase();
    if (!this.beside.has('key')) {
      if (digits === '' || !/^([0-9a-f]{2})+$/.test(digits)) throw source.fault('not a hash key', from);
      if (text.trim().endsWith(':')) throw source.fault('the hash key is cut off', source.at - 1);
      if (this.#result.key !== undefined) throw source.fault('a second key; one NIC is wanted', from);
      this.#result.key = digits;
    } else if (source.at === from) source.at++;
  }

  /**
   * Names of the following `name: on` lines; a line that matches `unknown` stands for what is on and has no name (`null`,
   * or its bits).
   */
  #switchedOn(unknown: RegExp): (string | null)[] | undefined {
    const { source } = this;
    const on: (string | null)[] = [];
    let isSaid = false;
    source.at++;
    for (; source.line !== undefined && source.line !== ''; source.at++) {
      const setting = /^([\w-]+): (on|off)$/.exec(source.line);
      if (setting !== null) {
        if (setting[2] === 'on') on.push(setting[1]!);
      } else if (unknown.test(source.line)) on.push(source.line.split(': ')[1] ?? null);
      else if (!UNSUPPORTED.test(source.line)) break;
      else continue;
      isSaid = true;
    }
    return isSaid ? on : undefined;
  }

  #setFunctions(on: readonly (string | null)[] | undefined): void {
    if (on === undefined || this.beside.has('function')) return;
    const { source } = this;
    const [name, second] = on;
    const also = '; if you know it, give function=… beside the file';
    if (second !== undefined) throw source.problem(`several hash functions are on: ${on.join(', ')}${also}`);
    if (name === 'toeplitz') return;
    if (name === 'xor' || name === 'crc32') this.#result.function = name;
    else if (name === undefined) throw source.problem(`no hash function is on${also}`);
    else throw source.problem(`the NIC hashes with an unknown function (${name ?? 'without a name'})${also}`);
  }

  #setTransformations(on: readonly (string | null)[] | undefined): void {
    if (on === undefined || this.beside.has('symmetric')) return;
    const { source } = this;
    const also = '; give symmetric=none, xor or or-xor beside the file if you know better';
    if (on.length > 1) {
      const isAll = on.some((name) => name === '0xfc' || name === '0xfffffffc');
      const why = isAll
        ? ' (all bits: what kernels 6.17 and 6.18 report of a context of a NIC that has none)'
        : '';
      const what = on.length === 2 ? 'two' : 'several';
      throw source.problem(`${what} input transformations at once: ${on.join(', ')}${why}${also}`);
    }
    if (on[0] === undefined) this.#result.symmetric = 'none';
    else if (on[0] === 'symmetric-xor') this.#result.symmetric = 'xor';
    else if (on[0] === 'symmetric-or-xor') this.#result.symmetric = 'or-xor';
    else throw source.problem(`unknown input transformation ${on[0] ?? 'without a name'}${also}`);
  }

  /** The fields of one flow type. */
  #readFields(line: string): boolean {
    const { source } = this;
    if (/ flows - All matching flows discarded on RX$/.test(line)) {
      throw source.fault(`"${line}" cannot be modelled`);
    }
    const heading = FIELDS_HEADING.exec(line);
    if (heading === null) return false;
    this.#sawFields = true;
    const context = this.#context;
    this.#context = 0;
    const flow = heading[1]!;
    const model = /^(TCP|UDP) over (IPV[46])$/i.exec(flow);
    let letters = '';
    source.at++;
    for (; source.line !== undefined && source.line !== ''; source.at++) {
      const letter = FIELD_LETTERS[source.line];
      if (letter === undefined && this.#isHeading(source.line)) break;
      if (letter === undefined && model !== null) throw source.fault(`unknown hash field "${source.line}"`);
      letters += letter ?? '?';
    }
    if (this.beside.has('types')) return true;
    const set = [...letters].sort().join('');
    if (model === null) {
      const isByAddress = set === 'ds';
      if (!isByAddress && context === 0) this.#notes.push(`${flow} is not hashed by addresses alone`);
      return true;
    }
    const protocol = model[1]!.toLowerCase();
    const ip = model[2]!;
    if (set !== 'ds' && set !== 'dfns') {
      throw source.problem(
        `${protocol} over ${ip} hashes the fields "${letters}": sd and sdfn can be predicted`,
      );
    }
    const type = `${protocol}-${ip.toLowerCase()}` as HashTypeName;
    const on = set === 'dfns';
    if (context !== 0) this.#contextFields.push({ context, type, on });
    else if (this.#ports[type] === undefined) this.#ports[type] = on;
    else if (this.#ports[type] !== on) {
      throw source.problem(`${protocol} over ${ip} twice, with other fields; one NIC is wanted`);
    }
    return true;
  }

  #isHeading(line: string): boolean {
    return (
      /^(RX flow|RSS |For RSS context|Filter: |Total \d|driver: |Channel parameters)/.test(line) ||
      FIELDS_HEADING.test(line) ||
      RINGS.test(line) ||
      IDLE.some((pattern) => pattern.test(line))
    );
  }

  #finish(): EthtoolRss {
    const { source } = this;
    const result = this.#result;
    const isRss = this.#hasTable || this.#sawFields;
    if (!isRss && this.#announced < 0 && this.#rules.length === 0) {
      throw source.problem('no output of ethtool -x or ethtool -n DEV rx-flow-hash TYPE');
    }
    if (!this.beside.has('rules')) {
      if (this.#announced >= 0 && this.#announced !== this.#rules.length) {
        throw source.problem(`${this.#announced} flow rules are announced, ${this.#rules.length} are there`);
      }
      if (this.#rules.length > 0) result.rules = this.#rules;
    }
    this.#checkContexts();
    const { entries } = result;
    const reached = entries === undefined ? undefined : entries.reduce((a, b) => Math.max(a, b), 0) + 1;
    const queues = this.#rings ?? this.#channels ?? reached;
    if (queues !== undefined) result.queues = queues;
    if (this.#notes.length > 0) result.notes = this.#notes;
    return { ...result, ports: this.#ports };
  }

  /** Flow rules may choose a context: its fields must be those of the whole NIC, which the model has only. */
  #checkContexts(): void {
    const other = this.#contextFields.find(
      ({ context, type, on }) =>
        this.#ports[type] !== on && this.#rules.some((rule) => rule.includes(` context ${context} `)),
    );
    if (other === undefined || this.beside.has('rules')) return;
    throw this.source.problem(
      `a flow rule uses RSS context ${other.context}, which hashes other fields for ${other.type}: not modelled`,
    );
  }
}
