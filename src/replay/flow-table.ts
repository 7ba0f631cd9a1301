/**
 * The flows of a capture: every directed 5-tuple gets a number, in the order of appearance.
 *
 * Promise: exact (whole addresses are compared, no hash stands for a flow), IPv4 and IPv6, grows by doubling; memory
 * is 32 bytes a flow (64 for IPv6) and 16 to 32 of index. Open addressing with linear probing, at most half full; an
 * index entry holds the hash beside the number, so that probing touches the record of the right flow only.
 * One thread writes. The records lie in shared memory: after the last packet any thread may read them.
 */
import { BURST_MAX, type Burst, Field, Kind } from '../packet/burst.js';
import { formatIpv4, formatIpv6 } from '../packet/describe.js';

/** Words of a record: source, destination, ports, protocol and version, packets, sign (see scan.ts), bytes. */
export const FlowRecord = {
  words: 8,
  ports: 2,
  protocol: 3,
  packets: 4,
  sign: 5,
  /** In doubles. */
  bytes: 3,
} as const;
const WORDS = FlowRecord.words;
const DOUBLES = WORDS / 2;
const PORTS = FlowRecord.ports;
const PROTOCOL = FlowRecord.protocol;
const PACKETS = FlowRecord.packets;
const BYTES = FlowRecord.bytes;
const VERSION_6 = 0x100;
const ADDRESS_WORDS = 8;
/** Few, so that growing happens before V8 compiles the loops: code that was compiled before it is thrown away. */
const FIRST_FLOWS = 128;

/** The records, as they go from thread to thread. */
export interface FlowRecords {
  readonly count: number;
  readonly records: SharedArrayBuffer;
  readonly addresses6: SharedArrayBuffer;
}

const NAMES: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

// Constants of the module: docs/hot-loops.md.
const KIND = Field.kind;
const L3 = Field.l3;
const L4 = Field.l4;
const ADDRESSES = Kind.addresses;
const HAS_PORTS = Kind.ports;
const IPV4 = Kind.ipv4;
const IP_MASK = Kind.ipMask;
const PLAIN = Kind.ipMask | Kind.addresses;
const IPV4_ADDRESSES = Kind.ipv4 | Kind.addresses;
const SHIFT = Kind.protocolShift;

/** What the index is looked up by; of any three fields and a hash, the fourth follows. For tests too. */
export function hash4(source: number, destination: number, ports: number, protocol: number): number {
  const sum =
    (Math.imul(source, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca6b)) +
    (Math.imul(ports, 0xc2b2ae35) ^ Math.imul(protocol, 0x27d4eb2f));
  const mixed = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}

/** The same for IPv6; `at` is where the addresses begin. For tests too. */
export function hash6(view: DataView, at: number, ports: number, protocol: number): number {
  let hash = Math.imul(ports, 0xc2b2ae35) ^ Math.imul(protocol, 0x27d4eb2f);
  for (let i = 0; i < 4 * ADDRESS_WORDS; i += 4) {
    hash = Math.imul(hash ^ view.getInt32(at + i), 0x2c1b3c6d);
    hash ^= hash >>> 15;
  }
  return hash;
}

export class FlowTable {
  /** Flows so far; their numbers are 0 … count-1. */
  count = 0;
  #words = new Int32Array(new SharedArrayBuffer(FIRST_FLOWS * WORDS * 4));
  #doubles = new Float64Array(this.#words.buffer);
  /** Pairs: number + 1 (0 = free), hash. */
  #index = new Int32Array(FIRST_FLOWS * 4);
  #mask = FIRST_FLOWS * 2 - 1;

  /** For the scan: records, the same as doubles, and the index; valid until a flow is added. */
  get words(): Int32Array {
    return this.#words;
  }

  get doubles(): Float64Array {
    return this.#doubles;
  }

  get index(): Int32Array {
    return this.#index;
  }

  get mask(): number {
    return this.#mask;
  }

  #count6 = 0;
  /** Of each packet of a burst: the flow that its hash stands for, or -1. */
  readonly #candidates = new Int32Array(BURST_MAX);
  #addresses6 = new Int32Array(new SharedArrayBuffer(64 * ADDRESS_WORDS * 4));

  /**
   * Numbers the flows of a dissected burst, whose packets are those from `from` on in `flow` and `wire`, and counts
   * them; -1 for what has no readable addresses.
   *
   * Three loops over typed arrays rather than a call per packet, which would box its doubles. The first only looks up
   * the index: its cache misses do not depend on each other and overlap; so do those of the second, the records'.
   */
  countBurst(burst: Burst, flow: Int32Array, wire: Float64Array, from: number): void {
    const { n, words, view } = burst;
    const candidates = this.#candidates;
    const mask = this.#mask;
    const index = this.#index;
    for (let i = 0; i < n; i++) {
      const kind = words[KIND + i]!;
      let candidate = -1;
      if ((kind & PLAIN) === IPV4_ADDRESSES) {
        const ip = words[L3 + i]!;
        const ports = (kind & HAS_PORTS) === 0 ? 0 : view.getInt32(words[L4 + i]!);
        const hash = hash4(view.getInt32(ip + 12), view.getInt32(ip + 16), ports, (kind >>> SHIFT) & 0xff);
        // The first entry with this hash: nearly always the flow.
        let slot = hash & mask;
        while (index[2 * slot] !== 0 && index[2 * slot + 1] !== hash) slot = (slot + 1) & mask;
        candidate = index[2 * slot]! - 1;
      }
      candidates[i] = candidate;
    }
    const records = this.#words;
    for (let i = 0; i < n; i++) {
      const candidate = candidates[i]!;
      if (candidate < 0) continue;
      const ip = words[L3 + i]!;
      const kind = words[KIND + i]!;
      const ports = (kind & HAS_PORTS) === 0 ? 0 : view.getInt32(words[L4 + i]!);
      const at = WORDS * candidate;
      const isSame =
        records[at] === view.getInt32(ip + 12) &&
        records[at + 1] === view.getInt32(ip + 16) &&
        records[at + PORTS] === ports &&
        records[at + PROTOCOL] === ((kind >>> SHIFT) & 0xff);
      if (!isSame) candidates[i] = -1;
    }
    for (let i = 0; i < n; i++) {
      let number = candidates[i]!;
      if (number < 0) {
        const kind = words[KIND + i]!;
        if ((kind & ADDRESSES) === 0) {
          flow[from + i] = -1;
          continue;
        }
        const ports = (kind & HAS_PORTS) === 0 ? 0 : view.getInt32(words[L4 + i]!);
        const protocol = (kind >>> SHIFT) & 0xff;
        const ip = words[L3 + i]!;
        number =
          (kind & IP_MASK) === IPV4
            ? this.find4(view, ip, ports, protocol)
            : this.#find6(view, ip, ports, protocol);
      }
      flow[from + i] = number;
      // A new flow may have made the arrays grow.
      this.#words[WORDS * number + PACKETS]!++;
      this.#doubles[DOUBLES * number + BYTES]! += wire[from + i]!;
    }
  }

  /** The flow of an IPv4 packet whose header is at `ip`, added where it is new; it is not counted. */
  find4(view: DataView, ip: number, ports: number, protocol: number): number {
    const source = view.getInt32(ip + 12);
    const destination = view.getInt32(ip + 16);
    const hash = hash4(source, destination, ports, protocol);
    const index = this.#index;
    const words = this.#words;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = index[2 * slot]!;
      if (entry === 0) return this.#add(slot, hash, source, destination, ports, protocol);
      if (index[2 * slot + 1] !== hash) continue;
      const at = WORDS * (entry - 1);
      const isSame =
        words[at] === source &&
        words[at + 1] === destination &&
        words[at + PORTS] === ports &&
        words[at + PROTOCOL] === protocol;
      if (isSame) return entry - 1;
    }
  }

  #find6(view: DataView, ip: number, ports: number, protocol: number): number {
    const at = ip + 8;
    const hash = hash6(view, at, ports, protocol);
    const kind = protocol | VERSION_6;
    const index = this.#index;
    const words = this.#words;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = index[2 * slot]!;
      if (entry === 0) return this.#add(slot, hash, this.#addAddresses(view, at), 0, ports, kind);
      if (index[2 * slot + 1] !== hash) continue;
      const record = WORDS * (entry - 1);
      if (words[record + PORTS] !== ports || words[record + PROTOCOL] !== kind) continue;
      if (this.#sameAddresses(words[record]!, view, at)) return entry - 1;
    }
  }

  /** The records for other threads; valid until the next packet is counted. */
  records(): FlowRecords {
    return {
      count: this.count,
      records: this.#words.buffer,
      addresses6: this.#addresses6.buffer,
    };
  }

  #sameAddresses(row: number, view: DataView, at: number): boolean {
    const all = this.#addresses6;
    const from = row * ADDRESS_WORDS;
    for (let i = 0; i < ADDRESS_WORDS; i++) if (all[from + i] !== view.getInt32(at + 4 * i)) return false;
    return true;
  }

  #addAddresses(view: DataView, at: number): number {
    const row = this.#count6++;
    if ((row + 1) * ADDRESS_WORDS > this.#addresses6.length) {
      const grown = new Int32Array(new SharedArrayBuffer(this.#addresses6.byteLength * 2));
      grown.set(this.#addresses6);
      this.#addresses6 = grown;
    }
    for (let i = 0; i < ADDRESS_WORDS; i++) {
      this.#addresses6[row * ADDRESS_WORDS + i] = view.getInt32(at + 4 * i);
    }
    return row;
  }

  #add(slot: number, hash: number, a: number, b: number, ports: number, protocol: number): number {
    const flow = this.count++;
    if (flow * WORDS === this.#words.length) {
      const grown = new Int32Array(new SharedArrayBuffer(this.#words.byteLength * 2));
      grown.set(this.#words);
      this.#words = grown;
      this.#doubles = new Float64Array(grown.buffer);
    }
    this.#index[2 * slot] = flow + 1;
    this.#index[2 * slot + 1] = hash;
    const at = flow * WORDS;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + PORTS] = ports;
    this.#words[at + PROTOCOL] = protocol;
    if (2 * this.count > this.#mask) this.#growIndex();
    return flow;
  }

  #growIndex(): void {
    const old = this.#index;
    const grown = new Int32Array(old.length * 2);
    const mask = this.#mask * 2 + 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === 0) continue;
      let slot = old[i + 1]! & mask;
      while (grown[2 * slot] !== 0) slot = (slot + 1) & mask;
      grown[2 * slot] = old[i]!;
      grown[2 * slot + 1] = old[i + 1]!;
    }
    this.#index = grown;
    this.#mask = mask;
  }
}

/** The records of all flows, to be read when the capture has ended. */
export class FlowView {
  readonly count: number;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #addresses6: Int32Array;

  constructor({ count, records, addresses6 }: FlowRecords) {
    this.count = count;
    this.#words = new Int32Array(records);
    this.#doubles = new Float64Array(records);
    this.#addresses6 = new Int32Array(addresses6);
  }

  packets(flow: number): number {
    return this.#words[WORDS * flow + PACKETS]! >>> 0;
  }

  /** Bytes on the wire. */
  bytes(flow: number): number {
    return this.#doubles[DOUBLES * flow + BYTES]!;
  }

  /** Numbers of the flows with the most packets, the largest first; of equals the one that appeared first. */
  largest(most: number): number[] {
    const top: number[] = [];
    const words = this.#words;
    let least = 0;
    for (let flow = 0; flow < this.count; flow++) {
      const packets = words[WORDS * flow + PACKETS]! >>> 0;
      if (packets <= least) continue;
      let at = top.length;
      while (at > 0 && this.packets(top[at - 1]!) < packets) at--;
      top.splice(at, 0, flow);
      if (top.length > most) top.pop();
      if (top.length === most) least = this.packets(top[most - 1]!);
    }
    return top;
  }

  /** Flows with more than so many packets. */
  above(packets: number): number {
    const words = this.#words;
    let count = 0;
    for (let at = PACKETS; at < WORDS * this.count; at += WORDS) if (words[at]! >>> 0 > packets) count++;
    return count;
  }

  /** `tcp 192.0.2.1:1000 > 192.0.2.2:80`, as `rxsteer explain --flow` takes it; what has no ports is `icmp` or `ip`. */
  text(flow: number): string {
    const at = WORDS * flow;
    const ports = this.#words[at + PORTS]!;
    const kind = this.#words[at + PROTOCOL]!;
    const protocol = kind & 0xff;
    const name = NAMES[protocol];
    const source = this.#address(flow, 0);
    const destination = this.#address(flow, 1);
    if (name === undefined || ports === 0) {
      const icmp = protocol === 1 || protocol === 58;
      return `${icmp ? 'icmp' : 'ip'} ${source} > ${destination}`;
    }
    return `${name} ${source}:${ports >>> 16} > ${destination}:${ports & 0xffff}`;
  }

  #address(flow: number, which: 0 | 1): string {
    const at = WORDS * flow;
    const isIpv6 = (this.#words[at + PROTOCOL]! & VERSION_6) !== 0;
    const bytes = new Uint8Array(isIpv6 ? 16 : 4);
    const view = new DataView(bytes.buffer);
    if (!isIpv6) {
      view.setInt32(0, this.#words[at + which]!);
      return formatIpv4(bytes);
    }
    const from = this.#words[at]! * ADDRESS_WORDS + 4 * which;
    for (let i = 0; i < 4; i++) view.setInt32(4 * i, this.#addresses6[from + i]!);
    return `[${formatIpv6(bytes)}]`;
  }
}
