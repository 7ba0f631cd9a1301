/**
 * A slow reader of frames, written from the RFCs and the rules in the head of `packet/dissect.ts`: what dissection must
 * find. Shares no code with it, goes byte by byte, and says nothing about frames that it would have to guess at.
 */

export interface SlowReading {
  readonly ethertype: number;
  /** The outermost tag's control information, -1 = no tag. */
  readonly vlan: number;
  /** 0 = not IP, 1 = IPv4, 2 = IPv6. */
  readonly version: number;
  readonly addresses: boolean;
  readonly fragment: boolean;
  /** Offset of the ports in the frame, -1 = none readable. */
  readonly ports: number;
}

const TAGS = [0x8100, 0x88a8, 0x9100];
const PORTED = [6, 17, 132];

export function readSlowly(frame: Uint8Array): SlowReading {
  const u16 = (at: number) => frame[at]! * 256 + frame[at + 1]!;
  const none = { version: 0, addresses: false, fragment: false, ports: -1 };
  if (frame.length < 14) return { ethertype: 0, vlan: -1, ...none };
  let at = 14;
  let ethertype = u16(12);
  let vlan = -1;
  while (TAGS.includes(ethertype)) {
    // A tag that is cut off says nothing of what follows.
    if (at + 4 > frame.length) return { ethertype: 0, vlan, ...none };
    if (vlan < 0) vlan = u16(at);
    ethertype = u16(at + 2);
    at += 4;
  }
  if (ethertype < 0x600) return { ethertype: 0, vlan, ...none };
  const link = { ethertype, vlan };
  if (ethertype === 0x0800) return { ...link, ...readIpv4(frame, at) };
  if (ethertype === 0x86dd) return { ...link, ...readIpv6(frame, at) };
  return { ...link, ...none };
}

type Ip = Omit<SlowReading, 'ethertype' | 'vlan'>;

/** End of the packet, as its length field and the frame say: 0 means all that is there. */
function endOf(frame: Uint8Array, from: number, length: number): number {
  return length === 0 ? frame.length : Math.min(frame.length, from + length);
}

function readIpv4(frame: Uint8Array, at: number): Ip {
  if (at + 20 > frame.length || frame[at]! >> 4 !== 4) {
    return { version: 1, addresses: false, fragment: false, ports: -1 };
  }
  const end = endOf(frame, at, frame[at + 2]! * 256 + frame[at + 3]!);
  // MF or an offset, never DF.
  const fragment = ((frame[at + 6]! & 0x3f) | frame[at + 7]!) !== 0;
  const words = frame[at]! & 15;
  const transport = at + words * 4;
  const ported = !fragment && words >= 5 && PORTED.includes(frame[at + 9]!) && transport + 4 <= end;
  return { version: 1, addresses: true, fragment, ports: ported ? transport : -1 };
}

function readIpv6(frame: Uint8Array, from: number): Ip {
  const bad = { version: 2, addresses: false, fragment: false, ports: -1 };
  if (from + 40 > frame.length || frame[from]! >> 4 !== 6) return bad;
  const payload = frame[from + 4]! * 256 + frame[from + 5]!;
  const end = endOf(frame, from + 40, payload);
  let next = frame[from + 6]!;
  let at = from + 40;
  for (;;) {
    if (next === 44) return { ...bad, addresses: true, fragment: true };
    if (next !== 0 && next !== 43 && next !== 60) break;
    const after = at + 8 > end ? end + 1 : at + (frame[at + 1]! + 1) * 8;
    if (after > end) return { ...bad, addresses: true };
    next = frame[at]!;
    at = after;
  }
  const ported = PORTED.includes(next) && at + 4 <= end;
  return { version: 2, addresses: true, fragment: false, ports: ported ? at : -1 };
}
