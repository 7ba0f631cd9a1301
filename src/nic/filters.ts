/**
 * The receive filters of Intel's 1 and 10 Gb/s NICs that stand before RSS: MAC queue select, ethertype, SYN, flex,
 * five-tuple or two-tuple, and VLAN priority.
 *
 * Promise: `match` asks them in the documented order, says which one decided, allocates nothing and never throws; a
 * field that a frame does not have (ports of a fragment, of a packet cut short) never matches. What a chip does not
 * have, or not so often, is a UserError when it is added. One thread.
 *
 * Order: I210 (datasheet 7.1.2): MAC, ethertype, then SYN before flex and two-tuple if its priority bit is set, else
 * after them, then VLAN priority. 82576 and 82599 (as usually stated; no datasheet text was at hand): ethertype, SYN
 * if high, five-tuple, SYN if low. Of several tuple filters the highest priority wins (1 to 7), then the lowest index.
 */
import { UserError } from '../errors.js';
import { type Burst, Field, Kind } from '../packet/burst.js';
import { EtherType } from '../packet/protocol.js';
import { protocolOf, TcpFlag, tcpFlags } from './frame-fields.js';

/** What a chip has; 0 = it has none. */
export interface FilterChip {
  readonly id: string;
  readonly macQueues: number;
  readonly ethertypes: number;
  readonly syn: boolean;
  readonly flex: number;
  /** Five-tuple filters match IPv4 only. */
  readonly fiveTuples: number;
  readonly twoTuples: number;
  readonly vlanPriority: boolean;
  readonly flowDirector: boolean;
}

const none = {
  macQueues: 0,
  flex: 0,
  fiveTuples: 0,
  twoTuples: 0,
  vlanPriority: false,
  flowDirector: false,
} as const;
const ixgbe = {
  ...none,
  ethertypes: 8,
  syn: true,
  fiveTuples: 128,
  flowDirector: true,
} as const;

export const FILTER_CHIPS: readonly FilterChip[] = [
  { ...none, id: 'igb-82576', ethertypes: 8, syn: true, fiveTuples: 8 },
  { ...none, id: 'igb-i350', ethertypes: 8, syn: true, flex: 8, twoTuples: 8 },
  {
    ...none,
    id: 'igb-i210',
    macQueues: 16,
    ethertypes: 4,
    syn: true,
    flex: 8,
    twoTuples: 8,
    vlanPriority: true,
  },
  { ...ixgbe, id: 'ixgbe-82599' },
  { ...ixgbe, id: 'ixgbe-x540' },
  { ...ixgbe, id: 'ixgbe-x550' },
];

/** Which filter decided; `none` = RSS's turn. */
export type FilterStage = 'none' | 'mac' | 'ethertype' | 'syn' | 'flex' | 'tuple' | 'vlan-priority';

/** Frames to one destination address (its upper 16 and lower 32 bits) go to a queue. */
export interface MacQueue {
  readonly high: number;
  readonly low: number;
  readonly queue: number;
}

/** Frames of one ethertype go to a queue (ETQF/ETQS). */
export interface EthertypeFilter {
  readonly ethertype: number;
  readonly queue: number;
}

/** All TCP segments with SYN set. */
export interface SynFilter {
  readonly queue: number;
  /** Before the tuple (and flex) filters (82576: RFCTL.SYNQFP), or after them. */
  readonly priority: 'high' | 'low';
}

/** The first bytes of a frame under a mask; at most 128. */
export interface FlexFilter {
  readonly bytes: Uint8Array;
  readonly mask: Uint8Array;
  readonly priority: number;
  readonly queue: number;
}

/** Absent = not compared. Two-tuple filters know protocol, dport and tcpFlags only. */
export interface TupleFilter {
  readonly protocol?: number;
  /** IPv4, as a signed word. */
  readonly src?: number;
  readonly dst?: number;
  readonly sport?: number;
  readonly dport?: number;
  /** Matches segments with any of these flags. */
  readonly tcpFlags?: number;
  /** 1 to 7; 7 wins. */
  readonly priority: number;
  /** Only frames of this pool. */
  readonly pool?: number;
  readonly queue: number;
}

const FLEX_BYTES_MAX = 128;
const PRIORITY_MAX = 7;

function inserted<T extends { readonly priority: number }>(list: readonly T[], filter: T): T[] {
  // Stable: of equal priority the one that was added first stays first.
  return [...list, filter].sort((a, b) => b.priority - a.priority);
}

/** The receive filters of one chip, asked in its documented order; see the head of this file. One thread. */
export class NicFilters {
  readonly chip: FilterChip;
  /** Queues that filters may name: of the NIC, or of one pool (the queue is then the index in the pool). */
  queues: number;
  /** Of the last `match`. */
  stage: FilterStage = 'none';
  queue = -1;
  #macs: MacQueue[] = [];
  #ethertypes: EthertypeFilter[] = [];
  #syn: SynFilter | null = null;
  #flex: FlexFilter[] = [];
  #tuples: TupleFilter[] = [];
  readonly #vlanQueues = new Int32Array(8).fill(-1);
  #hasVlanQueues = false;

  constructor(chip: FilterChip, queues: number) {
    this.chip = chip;
    this.queues = queues;
  }

  /** True where there is nothing to ask. */
  get isEmpty(): boolean {
    const count = this.#macs.length + this.#ethertypes.length + this.#flex.length + this.#tuples.length;
    return count === 0 && this.#syn === null && !this.#hasVlanQueues;
  }

  /** Frames to this address go to the queue. @throws UserError where the chip has no (more) such filters. */
  addMacQueue(filter: MacQueue): void {
    this.#room('MAC queue', this.chip.macQueues, this.#macs.length, filter.queue);
    this.#macs = [...this.#macs, filter];
  }

  /** @throws UserError for IP too: RSS and tuple filters could not tell such packets any more. */
  addEthertype(filter: EthertypeFilter): void {
    const { ethertype } = filter;
    this.#room('ethertype', this.chip.ethertypes, this.#ethertypes.length, filter.queue);
    if (ethertype === EtherType.ipv4 || ethertype === EtherType.ipv6) {
      throw new UserError('ethertype filter: 0x0800 and 0x86dd are not permitted: use tuple filters for IP');
    }
    if (this.#ethertypes.some((other) => other.ethertype === ethertype)) {
      throw new UserError(`ethertype filter: 0x${ethertype.toString(16)} has one already`);
    }
    this.#ethertypes = [...this.#ethertypes, filter];
  }

  /** The SYN filter, or null for none. @throws UserError where the chip has none. */
  setSyn(filter: SynFilter | null): void {
    if (filter !== null) this.#room('SYN', this.chip.syn ? 1 : 0, 0, filter.queue);
    this.#syn = filter;
  }

  /** Compares first bytes of frames. @throws UserError for a filter that the chip cannot hold. */
  addFlex(filter: FlexFilter): void {
    this.#room('flex', this.chip.flex, this.#flex.length, filter.queue);
    this.#checkPriority(filter.priority);
    const { length } = filter.bytes;
    if (length < 1 || length > FLEX_BYTES_MAX || filter.mask.length !== length) {
      throw new UserError(`flex filter: 1 to ${FLEX_BYTES_MAX} bytes and a mask as long are needed`);
    }
    this.#flex = inserted(this.#flex, filter);
  }

  /** A five-tuple or two-tuple filter, whichever the chip has. @throws UserError for what it cannot hold. */
  addTuple(filter: TupleFilter): void {
    const { chip } = this;
    const isFive = chip.fiveTuples > 0;
    const what = isFive ? 'five-tuple' : 'two-tuple';
    this.#room(what, isFive ? chip.fiveTuples : chip.twoTuples, this.#tuples.length, filter.queue);
    this.#checkPriority(filter.priority);
    if (!isFive) {
      const extra = (['src', 'dst', 'sport', 'pool'] as const).find((name) => filter[name] !== undefined);
      if (extra !== undefined) {
        throw new UserError(`two-tuple filter: ${chip.id} compares protocol and dport, not ${extra}`);
      }
    }
    this.#tuples = inserted(this.#tuples, filter);
  }

  /** Queue of frames with this VLAN priority (0-7); -1 = none. */
  setVlanPriority(priority: number, queue: number): void {
    this.#room('VLAN priority', this.chip.vlanPriority ? 1 : 0, 0, Math.max(0, queue));
    if (!Number.isInteger(priority) || priority < 0 || priority > 7) {
      throw new UserError(`VLAN priority ${priority}: 0 to 7 are permitted`);
    }
    this.#vlanQueues[priority] = queue;
    this.#hasVlanQueues = this.#vlanQueues.some((q) => q >= 0);
  }

  /** True where a filter decided; `queue` and `stage` then say what. `pool` is -1 without pools. */
  match(burst: Burst, i: number, pool = -1): boolean {
    this.queue = -1;
    this.stage = 'none';
    const { words } = burst;
    for (let f = 0; f < this.#macs.length; f++) {
      const filter = this.#macs[f]!;
      if (burst.dmacLo[i] === filter.low && burst.dmacHi[i] === filter.high) {
        return this.#hit('mac', filter.queue);
      }
    }
    for (let f = 0; f < this.#ethertypes.length; f++) {
      const filter = this.#ethertypes[f]!;
      if (words[Field.ethertype + i] === filter.ethertype) return this.#hit('ethertype', filter.queue);
    }
    const syn = this.#syn;
    const isSyn = syn !== null && isSynSegment(burst, i);
    if (isSyn && syn.priority === 'high') return this.#hit('syn', syn.queue);
    for (let f = 0; f < this.#flex.length; f++) {
      if (matchesFlex(this.#flex[f]!, burst, i)) return this.#hit('flex', this.#flex[f]!.queue);
    }
    for (let f = 0; f < this.#tuples.length; f++) {
      if (this.#matchesTuple(this.#tuples[f]!, burst, i, pool))
        return this.#hit('tuple', this.#tuples[f]!.queue);
    }
    if (isSyn) return this.#hit('syn', syn.queue);
    const tag = words[Field.vlan + i]!;
    if (this.#hasVlanQueues && tag >= 0) {
      const queue = this.#vlanQueues[(tag >>> 13) & 7]!;
      if (queue >= 0) return this.#hit('vlan-priority', queue);
    }
    return false;
  }

  #hit(stage: FilterStage, queue: number): true {
    this.stage = stage;
    this.queue = queue;
    return true;
  }

  #matchesTuple(filter: TupleFilter, burst: Burst, i: number, pool: number): boolean {
    const kind = burst.kind[i]!;
    const { view } = burst;
    if ((kind & Kind.addresses) === 0) return false;
    if (this.chip.fiveTuples > 0 && (kind & Kind.ipMask) !== Kind.ipv4) return false;
    if (filter.pool !== undefined && filter.pool !== pool) return false;
    if (filter.protocol !== undefined && filter.protocol !== protocolOf(burst, i)) return false;
    const ip = burst.l3[i]!;
    if (filter.src !== undefined && filter.src !== view.getInt32(ip + 12)) return false;
    if (filter.dst !== undefined && filter.dst !== view.getInt32(ip + 16)) return false;
    if (filter.sport !== undefined || filter.dport !== undefined) {
      if ((kind & Kind.ports) === 0) return false;
      const ports = burst.l4[i]!;
      if (filter.sport !== undefined && filter.sport !== view.getUint16(ports)) return false;
      if (filter.dport !== undefined && filter.dport !== view.getUint16(ports + 2)) return false;
    }
    if (filter.tcpFlags === undefined) return true;
    const flags = tcpFlags(burst, i);
    return flags >= 0 && (flags & filter.tcpFlags) !== 0;
  }

  #checkPriority(priority: number): void {
    if (!Number.isInteger(priority) || priority < 1 || priority > PRIORITY_MAX) {
      throw new UserError(
        `filter priority ${priority}: 1 to ${PRIORITY_MAX} are permitted, the highest wins`,
      );
    }
  }

  #room(what: string, capacity: number, used: number, queue: number): void {
    if (capacity === 0) throw new UserError(`${what} filter: ${this.chip.id} has none`);
    if (used >= capacity) {
      throw new UserError(`${what} filter: ${this.chip.id} has ${capacity}, all are in use`);
    }
    if (!Number.isInteger(queue) || queue < 0 || queue >= this.queues) {
      throw new UserError(`${what} filter: queue ${queue}: there are queues 0 to ${this.queues - 1}`);
    }
  }
}

function isSynSegment(burst: Burst, i: number): boolean {
  const flags = tcpFlags(burst, i);
  return flags >= 0 && (flags & TcpFlag.syn) !== 0;
}

function matchesFlex(filter: FlexFilter, burst: Burst, i: number): boolean {
  const { bytes, mask } = filter;
  if (burst.len[i]! < bytes.length) return false;
  const at = burst.off[i]!;
  for (let b = 0; b < bytes.length; b++) {
    if (((burst.bytes[at + b]! ^ bytes[b]!) & mask[b]!) !== 0) return false;
  }
  return true;
}
