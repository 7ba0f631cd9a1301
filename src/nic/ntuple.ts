/**
 * Flow rules as `ethtool -N` gives them: which frames, at which location, and where they go (a queue, an RSS
 * context, or nowhere).
 *
 * Promise: of the rules that match the one with the lowest location wins; without a location a rule goes to the
 * highest free one, as the tool places it. `match` allocates nothing and never throws; a field that a frame does not
 * have never matches. Refused rules leave the table as it was. One thread.
 *
 * Source: the ethtool user-space tool; the ixgbe driver for the limits of the 82599's perfect filters (one mask for
 * all of them, 13-bit buckets, drop queue).
 */
import { UserError } from '../errors.js';
import { perfectBucketOf } from '../hash/atr.js';
import { type Burst, Kind } from '../packet/burst.js';
import { Protocol } from '../packet/protocol.js';
import { BUCKET_FILTERS_MAX } from './flow-director.js';
import { protocolOf } from './frame-fields.js';
import type { RssContexts } from './rss-contexts.js';

/** Flow types that rules can name. */
export const FLOW_TYPES = ['ether', 'ip4', 'tcp4', 'udp4', 'sctp4', 'ip6', 'tcp6', 'udp6', 'sctp6'] as const;
/** One of `FLOW_TYPES`. */
export type FlowType = (typeof FLOW_TYPES)[number];

/** Fields that rules can compare. */
export const NTUPLE_FIELDS = [
  'src-mac',
  'dst-mac',
  'proto',
  'src-ip',
  'dst-ip',
  'l4proto',
  'src-port',
  'dst-port',
  'vlan',
] as const;
/** One of `NTUPLE_FIELDS`. */
export type NtupleField = (typeof NTUPLE_FIELDS)[number];

/** One field of a rule; big-endian bytes. */
export interface FieldMatch {
  readonly field: NtupleField;
  readonly value: Uint8Array;
  /** 1 bits are compared (the tool's own `m` has them the other way round). */
  readonly care: Uint8Array;
}

export const DROP_ACTION = -1;

/** A flow rule: frames of a flow type whose fields match go to a queue, into an RSS context, or nowhere. */
export interface NtupleRule {
  readonly flowType: FlowType;
  readonly fields: readonly FieldMatch[];
  /** A queue or `DROP_ACTION`; with a context it is added to the queue of the context's table. */
  readonly action: number;
  readonly context?: number;
  /** Absent = the highest free one. */
  readonly location?: number;
}

/** What a NIC's table can do. */
export interface NtupleLimits {
  readonly locations: number;
  readonly flowTypes: readonly FlowType[];
  /** All rules compare the same bits (82599). */
  readonly oneMask: boolean;
  /** Rules lie in hash buckets of a limited depth (82599: 13 bits, 10 rules). */
  readonly buckets: boolean;
}

export const GENERIC_NTUPLE: NtupleLimits = {
  locations: 1024,
  flowTypes: FLOW_TYPES,
  oneMask: false,
  buckets: false,
};

/** The 82599's perfect filters; `perfect` as of `flowDirectorSize`. */
export function perfectLimits(perfect: number): NtupleLimits {
  return { locations: perfect, flowTypes: ['ip4', 'tcp4', 'udp4', 'sctp4'], oneMask: true, buckets: true };
}

/** Protocol of a flow type; -1 where it does not say. */
function protocolOfType(type: FlowType): number {
  if (type.startsWith('tcp')) return Protocol.tcp;
  if (type.startsWith('udp')) return Protocol.udp;
  return type.startsWith('sctp') ? Protocol.sctp : -1;
}

interface Compiled {
  readonly rule: NtupleRule;
  readonly location: number;
  /** Of `Kind.ipMask`; 0 for ether. */
  readonly version: number;
  readonly protocol: number;
  readonly bucket: number;
}

/** The flow rules of a NIC; of those that match the lowest location wins. See the head of this file. One thread. */
export class NtupleTable {
  readonly limits: NtupleLimits;
  queues: number;
  readonly contexts: RssContexts | null;
  /** Rule of the last `match`. */
  matched: NtupleRule | null = null;
  /** By location. */
  #rules: Compiled[] = [];

  constructor(limits: NtupleLimits, queues: number, contexts: RssContexts | null = null) {
    this.limits = limits;
    this.queues = queues;
    this.contexts = contexts;
  }

  /** Rules in the table. */
  get size(): number {
    return this.#rules.length;
  }

  /** Locations in use, ascending. */
  get locations(): number[] {
    return this.#rules.map((rule) => rule.location);
  }

  /** @throws UserError where there is none. */
  rule(location: number): NtupleRule {
    return this.#at(location).rule;
  }

  /** Location of the new rule. A rule at a location that is taken replaces the old one. */
  add(rule: NtupleRule): number {
    const location = rule.location ?? this.#freeLocation();
    if (!Number.isInteger(location) || location < 0 || location >= this.limits.locations) {
      throw new UserError(`flow rule: loc ${location}: 0 to ${this.limits.locations - 1} are permitted`);
    }
    this.#checkType(rule);
    this.#checkAction(rule);
    const others = this.#rules.filter((other) => other.location !== location);
    if (this.limits.oneMask) checkMask(rule, others[0]?.rule);
    const { flowType } = rule;
    const version = flowType === 'ether' ? 0 : flowType.endsWith('4') ? Kind.ipv4 : Kind.ipv6;
    const bucket = this.limits.buckets ? bucketOf(rule) : -1;
    if (bucket >= 0 && others.filter((other) => other.bucket === bucket).length >= BUCKET_FILTERS_MAX) {
      throw new UserError(
        `flow rule: bucket ${bucket} of the perfect filters has ${BUCKET_FILTERS_MAX} rules, no more fit`,
      );
    }
    const old = this.#rules.find((other) => other.location === location);
    if (old?.rule.context !== undefined) this.contexts?.use(old.rule.context, -1);
    if (rule.context !== undefined) this.contexts?.use(rule.context, 1);
    const compiled = { rule, location, version, protocol: protocolOfType(flowType), bucket };
    this.#rules = [...others, compiled].sort((a, b) => a.location - b.location);
    return location;
  }

  /** Takes a rule away. @throws UserError where there is none. */
  delete(location: number): void {
    const { rule } = this.#at(location);
    if (rule.context !== undefined) this.contexts?.use(rule.context, -1);
    this.#rules = this.#rules.filter((other) => other.location !== location);
  }

  /** Location of the rule that decides about frame `i` (then `matched`), or -1. */
  match(burst: Burst, i: number): number {
    for (let r = 0; r < this.#rules.length; r++) {
      const compiled = this.#rules[r]!;
      if (matches(compiled, burst, i)) {
        this.matched = compiled.rule;
        return compiled.location;
      }
    }
    this.matched = null;
    return -1;
  }

  /** @throws UserError where a rule names a queue that would vanish. */
  checkQueues(queues: number): void {
    const found = this.#rules.find(({ rule }) => rule.context === undefined && rule.action >= queues);
    if (found !== undefined) {
      throw new UserError(
        `${queues} queues: the flow rule at loc ${found.location} uses queue ${found.rule.action}`,
      );
    }
  }

  #at(location: number): Compiled {
    const found = this.#rules.find((rule) => rule.location === location);
    if (found === undefined) throw new UserError(`flow rule: there is none at loc ${location}`);
    return found;
  }

  #freeLocation(): number {
    let location = this.limits.locations - 1;
    for (let r = this.#rules.length - 1; r >= 0 && this.#rules[r]!.location === location; r--) location--;
    if (location < 0) throw new UserError(`flow rule: all ${this.limits.locations} locations are in use`);
    return location;
  }

  #checkType(rule: NtupleRule): void {
    const { flowTypes } = this.limits;
    if (!flowTypes.includes(rule.flowType)) {
      throw new UserError(`flow rule: flow-type ${rule.flowType}: permitted here: ${flowTypes.join(', ')}`);
    }
    for (const { field } of rule.fields) {
      const permitted = fieldsOf(rule.flowType);
      if (!permitted.includes(field)) {
        throw new UserError(
          `flow rule: flow-type ${rule.flowType} has no ${field}; fields: ${permitted.join(', ')}`,
        );
      }
    }
  }

  #checkAction(rule: NtupleRule): void {
    const { context, action } = rule;
    if (context !== undefined) {
      if (this.contexts === null) throw new UserError(`flow rule: context ${context}: there are none here`);
      const { table } = this.contexts.get(context);
      if (action === DROP_ACTION) throw new UserError('flow rule: action -1 does not go with a context');
      const high = table.entries.reduce((a, b) => Math.max(a, b), 0) + action;
      if (action >= 0 && high < this.queues) return;
      throw new UserError(
        `flow rule: context ${context} + action ${action} reaches queue ${high}; queues: 0 to ${this.queues - 1}`,
      );
    }
    if (action !== DROP_ACTION && !(Number.isInteger(action) && action >= 0 && action < this.queues)) {
      throw new UserError(
        `flow rule: action ${action}: queues 0 to ${this.queues - 1}, or ${DROP_ACTION} to drop, are permitted`,
      );
    }
  }
}

/** Fields that a flow type can have. */
export function fieldsOf(type: FlowType): NtupleField[] {
  if (type === 'ether') return ['src-mac', 'dst-mac', 'proto', 'vlan'];
  if (type.startsWith('ip')) return ['src-ip', 'dst-ip', 'l4proto', 'vlan'];
  return ['src-ip', 'dst-ip', 'src-port', 'dst-port', 'vlan'];
}

/** The bits that a rule compares, as text. */
function maskOf(rule: NtupleRule): string {
  const masks = rule.fields
    .filter(({ care }) => care.some((byte) => byte !== 0))
    .map(({ field, care }) => `${field} ${Buffer.from(care).toString('hex')}`);
  return masks.sort().join(', ') || 'nothing';
}

function checkMask(rule: NtupleRule, other: NtupleRule | undefined): void {
  if (other === undefined || maskOf(rule) === maskOf(other)) return;
  throw new UserError(
    `flow rule: it compares ${maskOf(rule)}; all rules of this NIC must compare the same: ${maskOf(other)}`,
  );
}

/** Numbers of the hardware's flow types. */
const PERFECT_TYPES: Partial<Record<FlowType, number>> = { ip4: 0, udp4: 1, tcp4: 2, sctp4: 3 };

function bucketOf(rule: NtupleRule): number {
  let common = 0;
  let vlan = 0;
  for (const { field, value, care } of rule.fields) {
    const masked = Buffer.from(value.map((byte, i) => byte & care[i]!));
    if (field === 'src-ip' || field === 'dst-ip') common ^= masked.readInt32BE(0);
    else if (field === 'src-port') common ^= masked.readUInt16BE(0) << 16;
    else if (field === 'dst-port') common ^= masked.readUInt16BE(0);
    else if (field === 'vlan') vlan = masked.readUInt16BE(0);
  }
  return perfectBucketOf((PERFECT_TYPES[rule.flowType]! << 16) | vlan, common);
}

function matches(compiled: Compiled, burst: Burst, i: number): boolean {
  const kind = burst.kind[i]!;
  if (compiled.version !== 0) {
    if ((kind & Kind.ipMask) !== compiled.version || (kind & Kind.addresses) === 0) return false;
    // A fragment has no transport type for a NIC.
    if (compiled.protocol >= 0) {
      if (protocolOf(burst, i) !== compiled.protocol || (kind & Kind.ports) === 0) return false;
    }
  }
  const { fields } = compiled.rule;
  for (let f = 0; f < fields.length; f++) {
    if (!matchesField(fields[f]!, burst, i)) return false;
  }
  return true;
}

function matchesField(match: FieldMatch, burst: Burst, i: number): boolean {
  const { value, care } = match;
  switch (match.field) {
    case 'vlan': {
      const tag = burst.vlan[i]!;
      return tag >= 0 && equalNumber(tag, value, care);
    }
    case 'proto':
      return equalNumber(burst.ethertype[i]!, value, care);
    case 'l4proto':
      return ((protocolOf(burst, i) ^ value[0]!) & care[0]!) === 0;
    default:
      break;
  }
  const at = fieldOffset(match.field, burst, i);
  if (at < 0) return false;
  for (let b = 0; b < value.length; b++) {
    if (((burst.bytes[at + b]! ^ value[b]!) & care[b]!) !== 0) return false;
  }
  return true;
}

/** Two bytes against a number. */
function equalNumber(number: number, value: Uint8Array, care: Uint8Array): boolean {
  return (((number >>> 8) ^ value[0]!) & care[0]!) === 0 && (((number & 0xff) ^ value[1]!) & care[1]!) === 0;
}

/** Where a field lies, -1 where the frame does not have it. Callers have checked addresses and ports. */
function fieldOffset(field: NtupleField, burst: Burst, i: number): number {
  const isIpv4 = (burst.kind[i]! & Kind.ipMask) === Kind.ipv4;
  switch (field) {
    case 'dst-mac':
      return burst.len[i]! < 14 ? -1 : burst.off[i]!;
    case 'src-mac':
      return burst.len[i]! < 14 ? -1 : burst.off[i]! + 6;
    case 'src-ip':
      return burst.l3[i]! + (isIpv4 ? 12 : 8);
    case 'dst-ip':
      return burst.l3[i]! + (isIpv4 ? 16 : 24);
    case 'src-port':
      return burst.l4[i]!;
    case 'dst-port':
      return burst.l4[i]! + 2;
    default:
      return -1;
  }
}
