/**
 * The long way of dissection: whatever the common path of `dissect.ts` leaves.
 *
 * Promise: the same as there, for one frame: any stack of tags, IPv4 with options, IPv6 with extension headers,
 * fragments, headers that are cut short or contradict the frame. It follows the rules that stand there.
 */
import { type Burst, FrameFlag, Kind } from './burst.js';
import { flowTag, foldAddress } from './flow-tag.js';
import { ETHERNET_HEADER, ETHERTYPE_MIN, EtherType, Protocol, VLAN_TAG } from './protocol.js';

/** True for the tag protocol ids that are walked. */
const isVlanTag = (type: number): boolean =>
  type === EtherType.vlan || type === EtherType.serviceVlan || type === EtherType.oldServiceVlan;

/** True for protocols whose header starts with source and destination port. */
function hasPorts(protocol: number): boolean {
  return protocol === Protocol.tcp || protocol === Protocol.udp || protocol === Protocol.sctp;
}

/**
 * Everything that the common path leaves: tags from `position` on, where an ethertype of `type` says what follows,
 * then the network layer, up to `end`. Fills what `dissectBurst` fills, but for the MAC words.
 */
export function dissectFrom(
  burst: Burst,
  i: number,
  type: number,
  position: number,
  end: number,
  group: number,
): void {
  const { view } = burst;
  let tag = -1;
  while (isVlanTag(type)) {
    if (end - position < VLAN_TAG) {
      setNotIp(burst, i, 0, tag, group | Kind.bad);
      return;
    }
    if (tag < 0) tag = view.getUint16(position);
    type = view.getUint16(position + 2);
    position += VLAN_TAG;
  }
  burst.vlan[i] = tag;
  if (type === EtherType.ipv4) dissectIpv4(burst, i, position, end, group);
  else if (type === EtherType.ipv6) dissectIpv6(burst, i, position, end, group);
  else setNotIp(burst, i, type < ETHERTYPE_MIN ? 0 : type, tag, group);
}

/** VLAN tags of frame `i`, whole ones; the same walk as dissection's, for what keeps no offset. */
export function countTags(burst: Burst, i: number): number {
  const end = burst.off[i]! + burst.len[i]!;
  let position = burst.off[i]! + ETHERNET_HEADER;
  let tags = 0;
  while (end - position >= VLAN_TAG && isVlanTag(burst.view.getUint16(position - 2))) {
    tags++;
    position += VLAN_TAG;
  }
  return tags;
}

/** A frame of which nothing is known but its ethertype. */
export function setNotIp(burst: Burst, i: number, type: number, tag: number, kind: number): void {
  burst.kind[i] = kind;
  burst.ethertype[i] = type;
  burst.l3[i] = -1;
  burst.l4[i] = -1;
  burst.vlan[i] = tag;
  burst.flow[i] = 0;
}

/** VLAN id of the outer tag, 0 where there is none: the flow's last field, below the protocol. */
function vlanId(burst: Burst, i: number): number {
  const tag = burst.vlan[i]!;
  return tag < 0 ? 0 : tag & 0xfff;
}

/** An IP header that is too short for its addresses: known to be IP, and nothing more. */
function setHeaderless(burst: Burst, i: number, ip: number, kind: number): void {
  burst.kind[i] = kind | Kind.bad;
  burst.l3[i] = ip;
  burst.l4[i] = -1;
  burst.flow[i] = flowTag(burst.words, 0, 0, kind & Kind.ipMask, vlanId(burst, i));
}

function dissectIpv4(burst: Burst, i: number, ip: number, end: number, group: number): void {
  const { view } = burst;
  burst.ethertype[i] = EtherType.ipv4;
  let kind = Kind.ipv4 | group;
  const there = end - ip;
  if (there < 20 || view.getUint8(ip) >>> 4 !== 4) {
    setHeaderless(burst, i, ip, kind);
    return;
  }
  kind |= Kind.addresses;
  const header = (view.getUint8(ip) & 15) * 4;
  const total = view.getUint16(ip + 2);
  let stop = end;
  if (total === 0) {
    if ((burst.flags[i]! & FrameFlag.gso) === 0) kind |= Kind.bad;
  } else if (total > there) {
    if ((burst.flags[i]! & FrameFlag.truncated) === 0) kind |= Kind.bad;
  } else stop = ip + total;
  const protocol = view.getUint8(ip + 9);
  let ports = 0;
  burst.l4[i] = -1;
  if ((view.getUint16(ip + 6) & 0x3fff) !== 0) kind |= Kind.fragment;
  else if (header < 20 || ip + header > stop) kind |= Kind.bad;
  else {
    const l4 = ip + header;
    if (stop - l4 >= 4) {
      burst.l4[i] = l4;
      if (hasPorts(protocol)) {
        kind |= Kind.ports;
        ports = view.getInt32(l4);
      }
    } else if (hasPorts(protocol)) kind |= Kind.bad;
  }
  burst.kind[i] = kind | (protocol << Kind.protocolShift);
  burst.l3[i] = ip;
  const rest = (protocol << 12) | vlanId(burst, i);
  burst.flow[i] = flowTag(burst.words, view.getInt32(ip + 12), view.getInt32(ip + 16), ports, rest);
}

function dissectIpv6(burst: Burst, i: number, ip: number, end: number, group: number): void {
  const { view } = burst;
  burst.ethertype[i] = EtherType.ipv6;
  let kind = Kind.ipv6 | group;
  const there = end - ip;
  if (there < 40 || view.getUint8(ip) >>> 4 !== 6) {
    setHeaderless(burst, i, ip, kind);
    return;
  }
  kind |= Kind.addresses;
  const payload = view.getUint16(ip + 4);
  let stop = end;
  if (payload > there - 40) {
    if ((burst.flags[i]! & FrameFlag.truncated) === 0) kind |= Kind.bad;
  } else if (payload > 0) stop = ip + 40 + payload;
  let protocol = view.getUint8(ip + 6);
  let position = ip + 40;
  let ports = 0;
  burst.l4[i] = -1;
  for (;;) {
    if (protocol === Protocol.fragment) {
      kind |= Kind.fragment | Kind.extension;
      if (stop - position >= 8) protocol = view.getUint8(position);
      else kind |= Kind.bad;
      break;
    }
    if (
      protocol === Protocol.hopByHop ||
      protocol === Protocol.routing ||
      protocol === Protocol.destination
    ) {
      kind |= Kind.extension;
      // Two bytes say how long the header is; eight is the least that it can be.
      const size = stop - position >= 8 ? (view.getUint8(position + 1) + 1) * 8 : 8;
      if (stop - position < size) {
        kind |= Kind.bad;
        break;
      }
      protocol = view.getUint8(position);
      position += size;
      continue;
    }
    if (stop - position >= 4) {
      burst.l4[i] = position;
      if (hasPorts(protocol)) {
        kind |= Kind.ports;
        ports = view.getInt32(position);
      }
    } else if (hasPorts(protocol)) kind |= Kind.bad;
    break;
  }
  burst.kind[i] = kind | (protocol << Kind.protocolShift);
  burst.l3[i] = ip;
  const rest = (protocol << 12) | vlanId(burst, i);
  const { words } = burst;
  const source = foldAddress(words, view, ip + 8);
  burst.flow[i] = flowTag(words, source, foldAddress(words, view, ip + 24), ports, rest);
}
