/**
 * Classes of flows for the figures of order: what a person would ask about separately.
 *
 * Promise: a class is a function of a frame's `Kind` bits alone, and the same for all frames of a flow. Pure.
 */
import { Kind } from '../../packet/burst.js';
import { Protocol } from '../../packet/protocol.js';

/** Names of the classes, by number. Three bits hold the number. */
export const FLOW_CLASSES = [
  'notIp',
  'tcpIpv4',
  'udpIpv4',
  'otherIpv4',
  'tcpIpv6',
  'udpIpv6',
  'otherIpv6',
  'fragments',
] as const;
/** A class of flows that order is measured for. Fragments are flows of their own: they have no ports. */
export type FlowClass = (typeof FLOW_CLASSES)[number];

/** Number of the class of a frame with these `Kind` bits. */
export function flowClass(kind: number): number {
  const ip = kind & Kind.ipMask;
  if (ip === 0) return 0;
  if ((kind & Kind.fragment) !== 0) return 7;
  const protocol = (kind >>> Kind.protocolShift) & 255;
  const first = ip === Kind.ipv4 ? 1 : 4;
  return protocol === Protocol.tcp ? first : protocol === Protocol.udp ? first + 1 : first + 2;
}
