/**
 * Packets to try a target with: common ones, odd ones, and ones that lie.
 *
 * Promise: the same packets for the same seed, 14 to 400 bytes each; every kind of header that a dissection looks at comes, in
 * every state: whole, cut short, with lengths that contradict the frame, with addresses of the policy's own guests. Pure.
 */
import { SeededRandom } from '../hash/random.js';
import { ETHERNET_HEADER, EtherType, Protocol } from '../packet/protocol.js';

const BYTES_MAX = 400;
const TAG_TYPES = [EtherType.vlan, EtherType.serviceVlan, EtherType.oldServiceVlan];
const OTHER_TYPES = [EtherType.arp, EtherType.mpls, EtherType.pppoe, 0x05dc, 0x88b5];
const PORTED = [Protocol.tcp, Protocol.udp, Protocol.sctp];
const OTHER_PROTOCOLS = [
  Protocol.icmp,
  Protocol.gre,
  Protocol.esp,
  Protocol.ah,
  Protocol.none,
  Protocol.ipip,
];
const EXTENSIONS = [Protocol.hopByHop, Protocol.routing, Protocol.destination, Protocol.fragment];

/** Addresses that frames go to besides random ones. */
export interface CorpusOptions {
  readonly seed: number;
  /** 6 bytes each. */
  readonly macs?: readonly Uint8Array[];
  readonly vlans?: readonly number[];
}

/** Frames that lie one behind the other: frame i is `offsets[i]` … `offsets[i + 1] - 1`. */
export interface Corpus {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

class Maker {
  readonly #random: SeededRandom;
  readonly #bytes = new Uint8Array(BYTES_MAX + 8);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;

  constructor(readonly options: CorpusOptions) {
    this.#random = new SeededRandom(options.seed);
  }

  /** 0 … n - 1. */
  #below(n: number): number {
    return this.#random.below(n);
  }
  #of<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }
  /** True in so many cases of a hundred. */
  #happens(percent: number): boolean {
    return this.#below(100) < percent;
  }

  #noise(from: number, to: number): void {
    for (let i = from; i < to; i++) this.#bytes[i] = this.#below(256);
  }
  #put16(at: number, value: number): void {
    this.#view.setUint16(at, value & 0xffff);
  }

  /** One frame, a view that the next one overwrites. */
  next(): Uint8Array {
    const bytes = this.#bytes;
    this.#noise(0, BYTES_MAX);
    const { macs = [], vlans = [] } = this.options;
    if (this.#happens(70)) bytes[0]! &= 0xfe;
    if (macs.length > 0 && this.#happens(70)) bytes.set(this.#of(macs), 0);
    this.#at = ETHERNET_HEADER;
    const tags = this.#happens(70) ? 0 : this.#happens(80) ? 1 : this.#below(6);
    for (let i = 0; i < tags; i++) {
      this.#put16(this.#at - 2, this.#of(TAG_TYPES));
      if (vlans.length > 0 && this.#happens(60)) {
        this.#put16(this.#at, (this.#below(16) << 12) | this.#of(vlans));
      }
      this.#at += 4;
    }
    const kind = this.#below(100);
    if (kind < 45) this.#ipv4();
    else if (kind < 85) this.#ipv6();
    else {
      if (kind < 95) this.#put16(this.#at - 2, this.#of(OTHER_TYPES));
      this.#at += this.#below(80);
    }
    let length = Math.min(this.#at, BYTES_MAX);
    // Padding behind the packet, or a frame that ends too soon.
    if (this.#happens(20)) length = Math.min(length + this.#below(60), BYTES_MAX);
    if (this.#happens(15)) length = ETHERNET_HEADER + this.#below(length - ETHERNET_HEADER + 1);
    return bytes.subarray(0, Math.max(length, ETHERNET_HEADER));
  }

  /** A length field: mostly true. */
  #length(truth: number): number {
    const kind = this.#below(100);
    if (kind < 70) return truth;
    if (kind < 80) return 0;
    if (kind < 90) return Math.max(0, truth - this.#below(40));
    return kind < 97 ? truth + this.#below(40) : this.#below(0x10000);
  }

  #protocol(): number {
    const kind = this.#below(100);
    return kind < 75 ? this.#of(PORTED) : kind < 95 ? this.#of(OTHER_PROTOCOLS) : this.#below(256);
  }

  #ipv4(): void {
    const ip = this.#at;
    this.#put16(ip - 2, EtherType.ipv4);
    const words = this.#happens(75) ? 5 : this.#below(16);
    const version = this.#happens(97) ? 4 : this.#below(16);
    this.#bytes[ip] = (version << 4) | words;
    this.#at += Math.max(20, 4 * words) + this.#below(40);
    this.#put16(ip + 2, this.#length(this.#at - ip));
    const isFragment = this.#happens(12);
    this.#put16(ip + 6, isFragment ? this.#below(0x10000) : this.#of([0, 0x4000, 0x8000]));
    this.#bytes[ip + 9] = this.#protocol();
  }

  #ipv6(): void {
    const ip = this.#at;
    this.#put16(ip - 2, EtherType.ipv6);
    this.#bytes[ip] = ((this.#happens(97) ? 6 : this.#below(16)) << 4) | this.#below(16);
    this.#at = ip + 40;
    let next = ip + 6;
    const headers = this.#happens(60) ? 0 : this.#below(6);
    for (let i = 0; i < headers && this.#at < BYTES_MAX - 16; i++) {
      this.#bytes[next] = this.#happens(97) ? this.#of(EXTENSIONS) : this.#below(256);
      next = this.#at;
      const units = this.#happens(85) ? this.#below(3) : this.#below(256);
      this.#bytes[next + 1] = units;
      this.#at += 8 * (1 + (this.#happens(90) ? units : 0));
      if (this.#at > BYTES_MAX - 16) this.#at = next + 8;
    }
    this.#bytes[next] = this.#protocol();
    this.#at += this.#below(40);
    this.#put16(ip + 4, this.#length(this.#at - ip - 40));
  }
}

/** So many frames. */
export function makeCorpus(count: number, options: CorpusOptions): Corpus {
  const maker = new Maker(options);
  const offsets = new Uint32Array(count + 1);
  let bytes = new Uint8Array(128 * count + BYTES_MAX);
  for (let i = 0; i < count; i++) {
    const frame = maker.next();
    const at = offsets[i]!;
    if (at + frame.length > bytes.length) {
      const larger = new Uint8Array(2 * bytes.length + BYTES_MAX);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(frame, at);
    offsets[i + 1] = at + frame.length;
  }
  return { bytes: bytes.subarray(0, offsets[count]!), offsets };
}
