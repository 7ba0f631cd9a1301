/**
 * Frames longer than the link's MTU: what GRO or LRO merged before it was recorded, or TSO had not cut yet. A NIC
 * steers the segments.
 *
 * Promise: counts frames whose network packet is longer than the MTU, and estimates the packets on the wire: the
 * payload over what one segment holds, with the headers of this packet (TCP and UDP). An estimate, since the capture
 * does not say how long the segments were; a longer MTU makes it too high, short segments too low.
 */
import type { CaptureBatch } from '../capture/format.js';
import { EtherType, Protocol } from '../packet/protocol.js';
import type { NetworkHeader } from './network-header.js';

const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const TCP_LEAST = 20;

export class SuperFrames {
  frames = 0;
  /** Segments that they were on the wire, about. */
  segments = 0;
  /** Bytes of the longest network packet. */
  longest = 0;

  constructor(readonly mtu: number) {}

  /** Looks at packet `i`, whose network header is `header`. */
  take(batch: CaptureBatch, i: number, header: NetworkHeader): void {
    const length = batch.original[i]! - header.before;
    if (length <= this.mtu) return;
    this.frames++;
    this.longest = Math.max(this.longest, length);
    const headers = headersOf(batch, i, header);
    this.segments += Math.ceil((length - headers) / Math.max(1, this.mtu - headers));
  }
}

/** Bytes of headers that each segment repeats; what is not captured or not known counts as none. */
function headersOf({ bytes, off, len }: CaptureBatch, i: number, { type, at }: NetworkHeader): number {
  const there = off[i]! + len[i]! - at;
  let own = 0;
  let protocol = -1;
  if (type === EtherType.ipv4 && there >= 20) {
    own = 4 * (bytes[at]! & 15);
    protocol = bytes[at + 9]!;
  } else if (type === EtherType.ipv6 && there >= IPV6_HEADER) {
    own = IPV6_HEADER;
    protocol = bytes[at + 6]!;
  }
  if (protocol === Protocol.udp) return own + UDP_HEADER;
  if (protocol !== Protocol.tcp) return own;
  return own + (there >= own + TCP_LEAST ? 4 * (bytes[at + own + 12]! >> 4) : TCP_LEAST);
}
