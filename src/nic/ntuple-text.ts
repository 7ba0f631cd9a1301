/**
 * Flow rules in the words of `ethtool -N DEV …`, read and printed.
 *
 *     flow-type tcp4 src-ip 192.0.2.0 m 0.0.0.255 dst-port 80 action 3 loc 5
 *     flow-type udp6 dst-port 4789 context 1
 *     flow-type ether dst 02:00:00:00:00:01 action 2
 *
 * Promise: `m` means what it means there: bits that are set are not compared. What is not understood is a UserError
 * that names the word and what is permitted. Pure.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { UserError } from '../errors.js';
import { parseHex, toHex } from '../hash/hex.js';
import { ipv4Bytes, ipv6Bytes, uint16s } from '../packet/build.js';
import {
  DROP_ACTION,
  type FieldMatch,
  FLOW_TYPES,
  type FlowType,
  fieldsOf,
  type NtupleField,
  type NtupleRule,
} from './ntuple.js';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

function wholeNumber(text: string, most: number): number | null {
  const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  return value <= most ? value : null;
}

/** The tool's words for the addresses of flow-type ether; `src-mac` and `dst-mac` are understood too. */
const ETHER_WORDS: Readonly<Partial<Record<NtupleField, string>>> = { 'src-mac': 'src', 'dst-mac': 'dst' };

function wordOf(field: NtupleField, type: FlowType): string {
  return (type === 'ether' ? ETHER_WORDS[field] : undefined) ?? field;
}

/** Bytes of a field's value; null for text that it does not take. */
function fieldBytes(field: NtupleField, type: FlowType, text: string): Uint8Array | null {
  switch (field) {
    case 'src-mac':
    case 'dst-mac':
      return MAC.test(text) ? parseHex(text, field) : null;
    case 'src-ip':
    case 'dst-ip':
      if (type.endsWith('4')) return isIPv4(text) ? ipv4Bytes(text) : null;
      return isIPv6(text) && !text.includes('%') ? ipv6Bytes(text) : null;
    case 'l4proto': {
      const number = wholeNumber(text, 255);
      return number === null ? null : Uint8Array.of(number);
    }
    default: {
      const number = wholeNumber(text, 65535);
      return number === null ? null : uint16s(number);
    }
  }
}

/** @param place names where the text stands, for errors. @throws UserError */
export function parseNtuple(text: string, place: string): NtupleRule {
  const words = text.trim().split(/\s+/);
  const refuse = (what: string): never => {
    throw new UserError(`${place}: ${what}`);
  };
  if (words[0] !== 'flow-type') refuse('a rule starts with flow-type');
  const flowType = FLOW_TYPES.find((type) => type === words[1]);
  if (flowType === undefined) {
    return refuse(`flow-type "${words[1] ?? ''}" is not one of ${FLOW_TYPES.join(', ')}`);
  }
  const permitted = fieldsOf(flowType);
  const fields: FieldMatch[] = [];
  const numbers: { action?: number; context?: number; loc?: number } = {};
  for (let at = 2; at < words.length; at += 2) {
    const word = words[at]!;
    const given = words[at + 1];
    if (given === undefined) refuse(`${word}: a value is missing`);
    if (word === 'action' || word === 'queue' || word === 'context' || word === 'loc') {
      const name = word === 'queue' ? 'action' : word;
      const isDrop = word === 'action' && given === '-1';
      const value = isDrop ? DROP_ACTION : wholeNumber(given!, word === 'loc' ? 0x7fff_ffff : 0xffff);
      if (value === null)
        refuse(`${word} "${given}": a whole number${word === 'action' ? ', or -1 to drop' : ''}`);
      if (numbers[name] !== undefined) refuse(`${word} is given twice`);
      numbers[name] = value!;
      continue;
    }
    if (word === 'm') {
      const last = fields.at(-1);
      if (last === undefined || words[at - 2] === 'm') return refuse('m follows the value of a field');
      const mask = fieldBytes(last.field, flowType, given!);
      if (mask === null) return refuse(`${last.field} m "${given}" is no mask`);
      fields[fields.length - 1] = { ...last, care: mask.map((byte) => ~byte & 0xff) };
      continue;
    }
    const field = permitted.find((name) => name === word || wordOf(name, flowType) === word);
    if (field === undefined) {
      const names = permitted.map((name) => wordOf(name, flowType));
      const all = [...names, 'action', 'queue', 'context', 'loc'].join(', ');
      return refuse(`"${word}": flow-type ${flowType} has ${all}`);
    }
    if (fields.some((other) => other.field === field)) refuse(`${word} is given twice`);
    const value = fieldBytes(field, flowType, given!);
    if (value === null) return refuse(`${word} "${given}" is no such value`);
    fields.push({ field, value, care: new Uint8Array(value.length).fill(0xff) });
  }
  const { action, context, loc } = numbers;
  if (action === undefined && context === undefined) refuse('action (a queue, or -1) or context is needed');
  return {
    flowType,
    fields,
    action: action ?? 0,
    ...(context === undefined ? {} : { context }),
    ...(loc === undefined ? {} : { location: loc }),
  };
}

/** One line for people. */
export function formatNtuple(rule: NtupleRule): string {
  const fields = rule.fields.map(({ field, value, care }) => {
    const mask = care.every((byte) => byte === 0xff) ? '' : ` care ${toHex(care)}`;
    return `${wordOf(field, rule.flowType)} ${fieldText(field, value)}${mask}`;
  });
  const context = rule.context === undefined ? '' : ` context ${rule.context}`;
  const action = rule.context !== undefined && rule.action === 0 ? '' : ` action ${rule.action}`;
  return `flow-type ${[rule.flowType, ...fields].join(' ')}${context}${action}`;
}

function fieldText(field: NtupleField, value: Uint8Array): string {
  if (field.endsWith('mac')) return toHex(value).match(/../g)!.join(':');
  if (field.endsWith('ip') && value.length === 4) return value.join('.');
  if (field.endsWith('ip')) return toHex(value).match(/..../g)!.join(':');
  return String(value.length === 1 ? value[0] : (value[0]! << 8) | value[1]!);
}
