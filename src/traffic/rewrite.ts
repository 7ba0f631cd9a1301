/**
 * Other addresses for packets that are there: the same packet, as one of another flow or to another guest.
 *
 * Promise: only addresses and ports change; checksums are carried along (RFC 1624), so a right one stays right and a
 * wrong one (offloaded, damaged) wrong; nothing outside the frame is touched; allocation free.
 *
 * SCTP's CRC cannot be carried along; it is computed anew where the packet is whole. Packets whose checksum covers
 * other addresses than those of the IP header (Mobile IPv6) are left as they are.
 */

import { type Burst, Kind } from '../packet/burst.js';
import { foldSum, sctpCrc } from '../packet/checksum.js';
import { findExAddresses } from '../packet/ipv6-ex.js';

const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const SCTP = 132;
const FRAGMENT = 44;

/** New values; -1 (addresses: null) keeps what is there. */
export interface NewTuple {
  /** Low words of the addresses: IPv4 whole, IPv6 behind the /96 below. */
  source: number;
  destination: number;
  readonly changesSource: boolean;
  sport: number;
  dport: number;
}

const SOURCE_NET = [0x2001_0db8, 1, 0];
const DESTINATION_NET = [0x2001_0db8, 2, 0];

export class Rewriter {
  /** Packets that could not be changed: Mobile IPv6, damaged headers. */
  unchanged = 0;
  /** Sum of what changed, as 16-bit words: complements of the old and the new ones. */
  #delta = 0;
  readonly #ex = new Int32Array(2);

  /** Changes frame `i` of a dissected burst; IP packets only. */
  rewrite(burst: Burst, i: number, tuple: NewTuple): void {
    const kind = burst.kind[i]!;
    if ((kind & Kind.addresses) === 0 || (kind & Kind.bad) !== 0) {
      if ((kind & Kind.ipMask) !== 0) this.unchanged++;
      return;
    }
    const { view } = burst;
    const l3 = burst.l3[i]!;
    const ipv4 = (kind & Kind.ipMask) === Kind.ipv4;
    if ((kind & Kind.extension) !== 0) {
      findExAddresses(burst, i, this.#ex);
      if (this.#ex[0] !== l3 + 8 || this.#ex[1] !== l3 + 24) {
        this.unchanged++;
        return;
      }
    }
    // Before anything changes: the header tells where.
    const l4 = transportAt(burst, i, ipv4);
    this.#delta = 0;
    if (ipv4) {
      if (tuple.changesSource) this.#put32(view, l3 + 12, tuple.source);
      this.#put32(view, l3 + 16, tuple.destination);
      carry(view, l3 + 10, this.#delta);
    } else {
      if (tuple.changesSource) this.#putIpv6(view, l3 + 8, SOURCE_NET, tuple.source);
      this.#putIpv6(view, l3 + 24, DESTINATION_NET, tuple.destination);
    }
    if (l4 < 0) return;
    const protocol = (kind >>> Kind.protocolShift) & 0xff;
    const end = burst.off[i]! + burst.len[i]!;
    if ((kind & Kind.ports) !== 0 && tuple.sport >= 0) {
      this.#put16(view, l4, tuple.sport);
      this.#put16(view, l4 + 2, tuple.dport);
    }
    if (protocol === TCP && end - l4 >= 18) carry(view, l4 + 16, this.#delta);
    else if (protocol === ICMPV6 && !ipv4 && end - l4 >= 4) carry(view, l4 + 2, this.#delta);
    else if (protocol === UDP && end - l4 >= 8 && view.getUint16(l4 + 6) !== 0) {
      carry(view, l4 + 6, this.#delta);
      if (view.getUint16(l4 + 6) === 0) view.setUint16(l4 + 6, 0xffff);
    } else if (protocol === SCTP && (kind & Kind.fragment) === 0) storeSctp(burst, i, l3, l4, ipv4);
  }

  #put16(view: DataView, at: number, value: number): void {
    this.#delta += (view.getUint16(at) ^ 0xffff) + value;
    view.setUint16(at, value);
  }

  #put32(view: DataView, at: number, value: number): void {
    this.#put16(view, at, value >>> 16);
    this.#put16(view, at + 2, value & 0xffff);
  }

  #putIpv6(view: DataView, at: number, net: readonly number[], low: number): void {
    for (let w = 0; w < 3; w++) this.#put32(view, at + 4 * w, net[w]!);
    this.#put32(view, at + 12, low);
  }
}

/** RFC 1624, equation 3. */
function carry(view: DataView, at: number, delta: number): void {
  view.setUint16(at, foldSum((view.getUint16(at) ^ 0xffff) + delta) ^ 0xffff);
}

/** CRC of a packet that is wholly there. */
function storeSctp(burst: Burst, i: number, l3: number, l4: number, ipv4: boolean): void {
  const { view, bytes } = burst;
  const stop = l3 + (ipv4 ? view.getUint16(l3 + 2) : 40 + view.getUint16(l3 + 4));
  if (stop > burst.off[i]! + burst.len[i]! || stop - l4 < 12) return;
  view.setUint32(l4 + 8, 0);
  view.setUint32(l4 + 8, sctpCrc(bytes, l4, stop - l4), true);
}

/** The transport header of whole packets and of first fragments, or -1. */
function transportAt(burst: Burst, i: number, ipv4: boolean): number {
  const { view } = burst;
  if (burst.l4[i]! >= 0) return burst.l4[i]!;
  if ((burst.kind[i]! & Kind.fragment) === 0) return -1;
  const l3 = burst.l3[i]!;
  const end = burst.off[i]! + burst.len[i]!;
  if (ipv4) {
    if ((view.getUint16(l3 + 6) & 0x1fff) !== 0) return -1;
    const l4 = l3 + (view.getUint8(l3) & 15) * 4;
    return end - l4 >= 4 ? l4 : -1;
  }
  const at = fragmentHeader(burst, i);
  return at >= 0 && (view.getUint16(at + 2) & 0xfff8) === 0 && end - at >= 12 ? at + 8 : -1;
}

/** The Fragment header of an IPv6 fragment, or -1 where it is cut off. */
function fragmentHeader(burst: Burst, i: number): number {
  const { view } = burst;
  const l3 = burst.l3[i]!;
  const end = burst.off[i]! + burst.len[i]!;
  let next = view.getUint8(l3 + 6);
  let at = l3 + 40;
  // Dissection has walked here: what comes before the Fragment header has at least eight bytes each.
  while (at + 8 <= end) {
    if (next === FRAGMENT) return at;
    next = view.getUint8(at);
    at += (view.getUint8(at + 1) + 1) * 8;
  }
  return -1;
}

/** The identification of a fragment. */
export function fragmentId(burst: Burst, i: number): number {
  const { view } = burst;
  if ((burst.kind[i]! & Kind.ipMask) === Kind.ipv4) return view.getUint16(burst.l3[i]! + 4);
  const at = fragmentHeader(burst, i);
  return at < 0 ? 0 : view.getInt32(at + 4);
}
