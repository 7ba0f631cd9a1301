/**
 * The flow rules that `ethtool -n DEV` prints, as the words of `ethtool -N` that make them.
 *
 * Promise: a rule comes out with all that it compares and does, or is a UserError: what a NIC's model cannot compare
 * (TOS, user-defined bytes, …) is refused unless the rule masks it out. In this output, as in `ethtool -N`, set bits of
 * a mask are not compared.
 *
 * Source: the ethtool user-space tool (rxclass.c), 3.x to 6.x.
 */
import type { EthtoolLines } from './ethtool-lines.js';
import type { FlowType } from './ntuple.js';

/** What the words of the output are called in `ethtool -N` (null = not modelled), and the bits of their masks. */
const FIELDS: Readonly<Record<string, readonly [word: string | null, bits: number]>> = {
  'Src IP addr': ['src-ip', 0],
  'Dest IP addr': ['dst-ip', 0],
  'Src port': ['src-port', 16],
  'Dest port': ['dst-port', 16],
  'Src MAC addr': ['src', 0],
  'Dest MAC addr': ['dst', 0],
  Ethertype: ['proto', 16],
  Protocol: ['l4proto', 8],
  VLAN: ['vlan', 16],
  TOS: [null, 8],
  'Traffic Class': [null, 8],
  'L4 bytes': [null, 32],
  SPI: [null, 32],
  'VLAN EtherType': [null, 16],
  'User-defined': [null, 64],
};

const FILTER = /^Filter: (\d+)$/;
const FIELD = /^([\w /-]+): (\S+) mask: (\S+)$/;

/** True for the line that begins a rule. */
export function isRuleStart(line: string): boolean {
  return FILTER.test(line);
}

function flowTypeOf(words: string): FlowType | null {
  const transport = /^Rule Type: (TCP|UDP|SCTP) over IPv([46])$/.exec(words);
  if (transport !== null) return `${transport[1]!.toLowerCase()}${transport[2]}` as FlowType;
  const raw = /^Rule Type: Raw IPv([46])$/.exec(words);
  if (raw !== null) return `ip${raw[1]}` as FlowType;
  return words === 'Flow Type: Raw Ethernet' ? 'ether' : null;
}

/** Whether every bit of a mask is set, so that nothing is compared. `bits` is 0 for addresses. */
function isAll(mask: string, bits: number): boolean {
  if (bits > 0) return /^0x[0-9a-f]{1,16}$/i.test(mask) && BigInt(mask) === (1n << BigInt(bits)) - 1n;
  if (mask.includes('.')) return mask === '255.255.255.255';
  const words = mask.split(':');
  return words.every((word) => /^(ff|ffff)$/i.test(word)) && (words.length === 6 || words.length === 8);
}

/** Whether every bit is compared. */
function isNone(mask: string): boolean {
  return /^[0x.:]+$/i.test(mask);
}

function action(source: EthtoolLines, words: string): string {
  const queue = /^Direct to queue (\d+)$/.exec(words);
  if (queue !== null) return `action ${queue[1]}`;
  const context = /^Direct to RSS context(?: id)?:? (\d+)(?: \(queue base offset: (\d+)\))?$/i.exec(words);
  if (context !== null) {
    return `context ${context[1]}${context[2] === undefined ? '' : ` action ${context[2]}`}`;
  }
  if (words === 'Drop') return 'action -1';
  throw source.fault(`a flow rule with the action "${words}" cannot be modelled`);
}

/**
 * Reads the rule that begins in the line at the place, which is behind it afterwards.
 * @throws UserError
 */
export function readRule(source: EthtoolLines): string {
  const start = source.at;
  const location = FILTER.exec(source.line!)![1]!;
  source.at++;
  let flowType: FlowType | null = null;
  let context = '';
  let does: string | null = null;
  const fields: string[] = [];
  for (; source.line !== undefined && source.line !== '' && does === null; source.at++) {
    const line = source.line;
    const field = FIELD.exec(line);
    if (/^(Rule|Flow) Type: /.test(line)) {
      flowType = flowTypeOf(line);
      if (flowType === null) throw source.fault(`a flow rule of the type "${line}" cannot be modelled`);
    } else if (field !== null && Object.hasOwn(FIELDS, field[1]!)) {
      const [, name, value, mask] = field as unknown as [string, string, string, string];
      const [word, bits] = FIELDS[name]!;
      if (isAll(mask, bits)) continue;
      const isOfMac = word === 'src' || word === 'dst';
      if (word === null || (isOfMac && flowType !== 'ether')) {
        throw source.fault(`filter ${location} compares "${name}", which is not modelled`);
      }
      fields.push(`${word} ${value}${isNone(mask) ? '' : ` m ${mask}`}`);
    } else if (/^RSS Context ID: \d+$/.test(line)) context = `context ${line.split(': ')[1]} `;
    else if (line.startsWith('Action: ')) does = action(source, line.slice(8));
    else throw source.fault(`"${line}" is no line of a flow rule`);
  }
  if (flowType === null || does === null) {
    throw source.fault(`filter ${location} has no ${flowType === null ? 'type' : 'action'}: cut off?`, start);
  }
  return ['flow-type', flowType, ...fields, `${context}${does}`, 'loc', location].join(' ');
}
