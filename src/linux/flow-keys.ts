/**
 * The Linux flow dissector, as far as the software packet hash needs it (`__skb_flow_dissect` with the key set of
 * `flow_keys_dissector`, or of `flow_keys_dissector_symmetric`).
 *
 * Promise: `dissect()` never reads outside the frame, never throws, looks at 15 headers at most, and allocates
 * nothing. It fills `words` with the bytes that the kernel hashes: `struct flow_keys` from `basic` to its end.
 *
 * It differs from a NIC's dissection on purpose: lengths in IP headers are not believed (nor read), the IP version
 * is not checked, tunnels are opened, and what was collected before an error still counts. An object may be used
 * by one thread only.
 *
 * `words` are the structure's bytes as little-endian 32-bit words. Fields that the kernel keeps in host order are
 * as an x86 or other little-endian kernel has them:
 *
 *     0  n_proto (2 bytes, as on the wire), ip_proto, 0      7  ports, as on the wire (ESP, AH: the SPI)
 *     1  IPv6 flow label                                     8  icmp (never collected for the hash)
 *     2  VLAN id and priority (16 bits), TPID                9…16  addresses: source, destination
 *     3  ethertype inside the tag, 0                         17  padding of the structure
 *     4,5  second VLAN tag (never collected)
 *     6  GRE key or MPLS entropy label
 */

export const FLOW_KEY_WORDS = 18;

/** What `FlowKeys.addresses` says, and how many bytes are hashed for it. */
export const AddressKind = { none: 0, ipv4: 1, ipv6: 2, tipc: 3 } as const;

/**
 * Bytes hashed per `AddressKind`. The structure is padded from 68 to 72 bytes (it is aligned to 8), and the length
 * is computed from its end, so that 4 bytes behind the addresses are hashed too: zeros, except for IPv4 inside
 * IPv6, where bytes 8-11 of the outer source address are still there.
 */
export const FLOW_KEY_BYTES: readonly number[] = [40, 48, 72, 44];

/** Headers that are looked at before the kernel gives up with what it has (`MAX_FLOW_DISSECT_HDRS`). */
const MAX_HEADERS = 15;

const ETH_IPV4 = 0x0800;
const ETH_IPV6 = 0x86dd;
const ETH_MPLS = 0x8847;

/** How far the dissector goes. */
export interface FlowKeyOptions {
  /** The key set of fanout and tun: addresses and ports only, and no stop at a flow label. Default false. */
  readonly symmetric?: boolean;
  /** Collect MPLS entropy labels (kernels whose key set has `MPLS_ENTROPY`). Default false. */
  readonly mplsEntropy?: boolean;
}

/**
 * Where the ports are: in front for TCP, UDP, DCCP, ESP (its SPI), SCTP and UDP-Lite, behind four bytes for AH (its
 * SPI); -1 for all others.
 */
const PORTS_AT = new Int8Array(256).fill(-1);
for (const protocol of [6, 17, 33, 50, 132, 136]) PORTS_AT[protocol] = 0;
PORTS_AT[51] = 4;

// What one step of the walk asks for next. Entering an IP header's transport is no further header.
const [STOP, PROTO, TRANSPORT, ENTER] = [0, 1, 2, 3] as const;

/** The flow keys of one packet: what the kernel hashes. Reused for the next one. */
export class FlowKeys {
  readonly words = new Int32Array(FLOW_KEY_WORDS);
  /** `AddressKind` of what was found. */
  addresses = 0;
  /** Ethertype (or its stand-in for LLC) at which the walk ended. */
  protocol = 0;
  /** Transport protocol at which the walk ended. */
  transport = 0;
  /** A fragment was met: no ports. */
  fragment = false;

  private readonly full: boolean;
  private readonly mplsEntropy: boolean;
  private bytes: Uint8Array = new Uint8Array(0);
  private end = 0;
  private at = 0;
  private vlans = 0;
  private entropy = false;
  private labels = 0;

  constructor(options: FlowKeyOptions = {}) {
    this.full = options.symmetric !== true;
    this.mplsEntropy = this.full && options.mplsEntropy === true;
  }

  /** The hash covers ports or a flow label: the kernel marks it as a layer-4 hash. */
  get isL4(): boolean {
    return this.words[7] !== 0 || this.words[1] !== 0;
  }

  /** Dissects the Ethernet frame `bytes[off … off+len-1]`. */
  dissect(bytes: Uint8Array, off: number, len: number): void {
    const words = this.words;
    for (let i = 0; i < FLOW_KEY_WORDS; i++) words[i] = 0;
    this.addresses = AddressKind.none;
    this.transport = 0;
    this.protocol = 0;
    this.fragment = false;
    this.bytes = bytes;
    this.end = off + len;
    this.vlans = 0;
    this.entropy = false;
    this.labels = 0;
    if (len >= 14) {
      this.at = off + 14;
      this.protocol = this.etherType(off + 12);
      let headers = 0;
      let next: number = PROTO;
      while (next !== STOP) {
        next = next === PROTO ? this.network() : this.upper();
        if ((next === PROTO || next === TRANSPORT) && ++headers > MAX_HEADERS) next = STOP;
      }
    }
    const p = this.protocol;
    words[0] = (p >> 8) | ((p & 255) << 8) | (this.transport << 16);
  }

  /** `eth_type_trans`: values below 0x600 are lengths, and stand for 802.2 or (payload 0xffff) raw 802.3. */
  private etherType(o: number): number {
    const type = this.u16(o);
    if (type >= 0x600) return type;
    return o + 4 <= this.end && this.u16(o + 2) === 0xffff ? 0x0001 : 0x0004;
  }

  private u16(o: number): number {
    return (this.bytes[o]! << 8) | this.bytes[o + 1]!;
  }

  /** Four bytes as a little-endian word, the order of `words`. */
  private wire(o: number): number {
    const b = this.bytes;
    return b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24);
  }

  private has(length: number): boolean {
    return this.at + length <= this.end;
  }

  /** One header that an ethertype names. */
  private network(): number {
    switch (this.protocol) {
      case ETH_IPV4:
        return this.ipv4();
      case ETH_IPV6:
        return this.ipv6();
      case 0x8100:
      case 0x88a8:
        return this.vlan();
      case 0x8864:
        return this.pppoe();
      case 0x88ca:
        return this.tipc();
      case ETH_MPLS:
      case 0x8848:
        return this.mpls();
      case 0x4305:
        return this.batman();
      case 0x88fb:
      case 0x892f:
        // PRP, HSR: path and size, sequence number, then the next ethertype.
        if (!this.has(6)) return STOP;
        this.protocol = this.u16(this.at + 4);
        this.at += 6;
        return PROTO;
      default:
        // ARP, PTP, FCoE, CFM and whatever is unknown: the ethertype alone.
        return STOP;
    }
  }

  private ipv4(): number {
    if (!this.has(20)) return STOP;
    const o = this.at;
    const headerWords = this.bytes[o]! & 15;
    if (headerWords < 5) return STOP;
    this.at += headerWords * 4;
    this.transport = this.bytes[o + 9]!;
    this.words[9] = this.wire(o + 12);
    this.words[10] = this.wire(o + 16);
    this.addresses = AddressKind.ipv4;
    if ((this.u16(o + 6) & 0x3fff) !== 0) {
      this.fragment = true;
      return STOP;
    }
    return ENTER;
  }

  private ipv6(): number {
    if (!this.has(40)) return STOP;
    const o = this.at;
    this.at += 40;
    this.transport = this.bytes[o + 6]!;
    for (let i = 0; i < 8; i++) this.words[9 + i] = this.wire(o + 8 + 4 * i);
    this.addresses = AddressKind.ipv6;
    if (this.full) {
      const label = ((this.bytes[o + 1]! & 15) << 16) | this.u16(o + 2);
      if (label !== 0) {
        this.words[1] = label;
        return STOP;
      }
    }
    return ENTER;
  }

  private vlan(): number {
    if (!this.has(4)) return STOP;
    const tpid = this.protocol;
    const tci = this.u16(this.at);
    this.protocol = this.u16(this.at + 2);
    this.at += 4;
    if (this.vlans++ === 0 && this.full) {
      // The drop-eligible bit (0x1000) is not kept.
      this.words[2] = (tci & 0xefff) | ((tpid >> 8) << 16) | ((tpid & 255) << 24);
      this.words[3] = (this.protocol >> 8) | ((this.protocol & 255) << 8);
    }
    return PROTO;
  }

  private inside(protocol: number): number {
    this.protocol = protocol;
    return PROTO;
  }

  private pppoe(): number {
    // Version and type 1, code 0 (session data), session, length, PPP protocol.
    if (!this.has(8) || this.u16(this.at) !== 0x1100) return STOP;
    const ppp = this.u16(this.at + 6);
    this.at += 8;
    if (ppp === 0x0021) return this.inside(ETH_IPV4);
    if (ppp === 0x0057) return this.inside(ETH_IPV6);
    if (ppp === 0x0281) return this.inside(ETH_MPLS);
    return ppp === 0x0283 ? this.inside(0x8848) : STOP;
  }

  private tipc(): number {
    if (!this.has(16)) return STOP;
    if (this.full) {
      const w0 = this.wire(this.at);
      // Link probes are spread at random by the kernel; a model has to be repeatable, so here they follow the
      // sequence numbers of the message.
      const probe = (w0 & 0x0000080e) === 0x0000080e;
      this.words[9] = probe ? this.wire(this.at + 4) ^ this.wire(this.at + 8) : this.wire(this.at + 12);
      this.addresses = AddressKind.tipc;
    }
    return STOP;
  }

  private mpls(): number {
    if (!this.mplsEntropy || this.labels >= 7 || !this.has(4)) return STOP;
    const b = this.bytes;
    const o = this.at;
    const label = (b[o]! << 12) | (b[o + 1]! << 4) | (b[o + 2]! >> 4);
    if (this.entropy) {
      this.words[6] = ((label >> 16) << 8) | (((label >> 8) & 255) << 16) | ((label & 255) << 24);
    }
    this.entropy = label === 7;
    this.labels++;
    this.at += 4;
    return (b[o + 2]! & 1) !== 0 ? STOP : PROTO;
  }

  private batman(): number {
    // Unicast packet of compatibility version 15 (10 bytes), then an Ethernet header.
    if (!this.has(24)) return STOP;
    if (this.bytes[this.at] !== 0x40 || this.bytes[this.at + 1] !== 15) return STOP;
    this.protocol = this.u16(this.at + 22);
    this.at += 24;
    return PROTO;
  }

  /** One header that an IP protocol number names, and the ports when it has them. */
  private upper(): number {
    let next: number = STOP;
    switch (this.transport) {
      case 47:
        next = this.gre();
        break;
      case 0:
      case 43:
      case 60:
        if (this.protocol !== ETH_IPV6 || !this.has(2)) break;
        this.transport = this.bytes[this.at]!;
        this.at += (this.bytes[this.at + 1]! + 1) << 3;
        next = TRANSPORT;
        break;
      case 44:
        if (this.protocol !== ETH_IPV6 || !this.has(8)) break;
        this.fragment = true;
        this.transport = this.bytes[this.at]!;
        this.at += 8;
        break;
      case 4:
        next = this.inside(ETH_IPV4);
        break;
      case 41:
        next = this.inside(ETH_IPV6);
        break;
      case 137:
        next = this.inside(ETH_MPLS);
        break;
    }
    if (!this.fragment) this.words[7] = this.ports();
    return next;
  }

  private ports(): number {
    const offset = PORTS_AT[this.transport]!;
    const o = this.at + offset;
    return offset >= 0 && o + 4 <= this.end ? this.wire(o) : 0;
  }

  private gre(): number {
    if (!this.has(4)) return STOP;
    const o = this.at;
    const flags = this.u16(o);
    const version = flags & 7;
    if ((flags & 0x4000) !== 0 || version > 1) return STOP;
    this.protocol = this.u16(o + 2);
    // Version 1 is PPTP or nothing.
    if (version === 1 && (this.protocol !== 0x880b || (flags & 0x2000) === 0)) return STOP;
    let length = 4;
    if ((flags & 0x8000) !== 0) length += 4;
    if ((flags & 0x2000) !== 0) {
      if (!this.has(length + 4)) return STOP;
      if (this.full) {
        // PPTP keeps the call id only: the last two bytes.
        const key = this.wire(o + length);
        this.words[6] = version === 0 ? key : key & 0xffff0000;
      }
      length += 4;
    }
    if ((flags & 0x1000) !== 0) length += 4;
    if (version === 0) {
      if (this.protocol === 0x6558) {
        if (!this.has(length + 14)) return STOP;
        this.protocol = this.u16(o + length + 12);
        length += 14;
      }
    } else {
      if ((flags & 0x0080) !== 0) length += 4;
      if (!this.has(length + 4)) return STOP;
      const ppp = this.u16(o + length + 2);
      if (ppp === 0x0021) this.protocol = ETH_IPV4;
      else if (ppp === 0x0057) this.protocol = ETH_IPV6;
      length += 4;
    }
    this.at = o + length;
    return PROTO;
  }
}
