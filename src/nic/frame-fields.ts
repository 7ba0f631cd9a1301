/**
 * Fields of a dissected frame that NIC filters compare and dissection does not keep.
 *
 * Promise: reads only bytes inside the frame and inside the IP packet; allocates nothing. Pure.
 */
import { type Burst, Kind } from '../packet/burst.js';
import { Protocol } from '../packet/protocol.js';

export { TcpFlag } from '../packet/build.js';

/** Protocol number that dissection reached. */
export function protocolOf(burst: Burst, i: number): number {
  return (burst.kind[i]! >>> Kind.protocolShift) & 0xff;
}

/** End of the IP packet: what its length field says, within the frame. */
function packetEnd(burst: Burst, i: number): number {
  const end = burst.off[i]! + burst.len[i]!;
  const ip = burst.l3[i]!;
  const isIpv4 = (burst.kind[i]! & Kind.ipMask) === Kind.ipv4;
  const length = burst.view.getUint16(ip + (isIpv4 ? 2 : 4));
  // 0 stands for "all that is there", as in dissection.
  return length === 0 ? end : Math.min(end, ip + length + (isIpv4 ? 0 : 40));
}

/** Flags byte of a TCP segment; -1 for all else, for fragments and where the header is cut short before it. */
export function tcpFlags(burst: Burst, i: number): number {
  if ((burst.kind[i]! & Kind.ports) === 0 || protocolOf(burst, i) !== Protocol.tcp) return -1;
  const at = burst.l4[i]! + 13;
  return at < packetEnd(burst, i) ? burst.view.getUint8(at) : -1;
}
