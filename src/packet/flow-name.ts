/**
 * What a flow is called, for people and to find it again.
 *
 * Promise: pure; the same for all packets of a flow; fragments and what has no ports without them.
 */
import type { FrameDescription } from './describe.js';
import { protocolName } from './protocol.js';

type FlowFields = Pick<FrameDescription, 'src' | 'dst' | 'protocol' | 'sport' | 'dport' | 'ethertype'>;

/** `udp 10.0.0.1:1000 > [fe80::1]:53`; `ethertype 0x0806` for what is not IP. */
export function flowName({ src, dst, protocol, sport, dport, ethertype }: FlowFields): string {
  if (src === null || dst === null) return `ethertype ${ethertype ?? 'none'}`;
  const end = (address: string, port: number | null) =>
    port === null ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return `${protocol === null ? 'ip' : protocolName(protocol)} ${end(src, sport)} > ${end(dst, dport)}`;
}
