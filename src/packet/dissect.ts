/**
 * The dissection of a NIC: Ethernet, any stack of VLAN tags, IPv4 with options, IPv6 with extension headers, and
 * the ports of TCP, UDP and SCTP, into the fields of a `Burst`.
 *
 * Promise: one pass; no byte outside `off … off + len - 1` is ever read, whatever the headers claim; the same bytes
 * always give the same fields; nothing is allocated and nothing throws. Headers that are cut short or contradict
 * the frame get `Kind.bad` and keep whatever their bytes allow: addresses without ports, or nothing.
 * Pure: any thread may dissect any burst that it owns.
 *
 * Rules (Microsoft's RSS hash types, Intel 82598 and I210 datasheets):
 * - a fragment (IPv4: MF or an offset, never DF; IPv6: a Fragment header, atomic ones too) has no ports, also when
 *   its first piece holds the whole transport header;
 * - the IP length field bounds the packet: Ethernet padding behind it is never taken for ports. 0 means "all that
 *   is there" (super-frames beyond 64 KiB and offloaded captures carry it);
 * - hop-by-hop, routing and destination options are walked; AH and ESP end the walk in both IP versions, since a
 *   NIC without the keys does not look behind them;
 * - only the outer headers: no MPLS, PPPoE, LLC or tunnel.
 */
import { BURST_COUNT, BURST_MAX, type Burst, Field, Kind, PARTS } from './burst.js';
import { DESCRIPTOR_SHIFT, FLAGS_SHIFT, GROUP_BIT, Part, VLAN_SHIFT } from './descriptor.js';
import { dissectFrom, setNotIp } from './dissect-long.js';
import { foldAddress as folded, flowTag as tagOf } from './flow-tag.js';
import { ETHERNET_HEADER, ETHERTYPE_MIN, EtherType, Protocol, VLAN_TAG } from './protocol.js';

export { countTags, dissectFrom } from './dissect-long.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BURST_COUNT;
const OFF = Field.off;
const LEN = Field.len;
const KIND = Field.kind;
const ETHERTYPE = Field.ethertype;
const L3 = Field.l3;
const L4 = Field.l4;
const VLAN = Field.vlan;
const ID = Field.id;
const FLAGS = Field.flags;
const P_START = PARTS;
const P_SHIFT = DESCRIPTOR_SHIFT;
const P_DMAC_LO = Part.dmacLo;
const P_SIZE = Part.size;
const P_SMAC_LO = Part.smacLo;
const P_ID = Part.id;
const P_MACS = Part.macs;
const P_ORIGIN = Part.origin;
const P_FLAGS = FLAGS_SHIFT;
const P_VLAN = VLAN_SHIFT;
const P_GROUP = GROUP_BIT;
const FLOW = Field.flow;
const HEADER = ETHERNET_HEADER;
const TAG = VLAN_TAG;
const TYPE_IPV4 = EtherType.ipv4;
const TYPE_IPV6 = EtherType.ipv6;
const TYPE_VLAN = EtherType.vlan;
const TYPE_SERVICE = EtherType.serviceVlan;
const TYPE_OLD_SERVICE = EtherType.oldServiceVlan;
const TYPE_MIN = ETHERTYPE_MIN;
const PROTOCOL_SHIFT = Kind.protocolShift;
/** Kinds of the fast paths: addresses and ports readable, nothing odd. */
const PLAIN_IPV4 = Kind.ipv4 | Kind.addresses | Kind.ports;
const PLAIN_IPV6 = Kind.ipv6 | Kind.addresses | Kind.ports;
/** Bits of the protocols that they take, both below 32. */
const PORTED = (1 << Protocol.tcp) | (1 << Protocol.udp);
/** The least that they take: an IPv4 header and ports. */
const PLAIN_BYTES = ETHERNET_HEADER + 24;
/** Ethertype, and version and header length of IPv4; ethertype and version of IPv6. */
const HEAD_IPV4 = (EtherType.ipv4 << 8) | 0x45;
const HEAD_IPV6 = (EtherType.ipv6 << 4) | 6;
const GROUP = Kind.group;
/** Indices of the frames that the common path leaves; of this thread, in use during a call. */
const rest = new Int32Array(BURST_MAX);
const LAST = BURST_MAX - 1;
const flowTag = tagOf;
const foldAddress = folded;

/** True for the tag protocol ids that are walked. */
const isVlanTag = (type: number): boolean =>
  type === TYPE_VLAN || type === TYPE_SERVICE || type === TYPE_OLD_SERVICE;

/** Arrays of the loop in a constant object: docs/hot-loops.md. */
interface Hot {
  words: Int32Array;
  view: DataView;
}
const HOT = {} as Hot;

function bind(burst: Burst): void {
  HOT.words = burst.words;
  HOT.view = burst.view;
}

/** Fills kind, ethertype, l3, l4, vlan, the MAC words and flow of every frame of the burst. */
export function dissectBurst(burst: Burst): void {
  // One array for all fields, see `Field`.
  if (HOT.words !== burst.words || HOT.view !== burst.view) bind(burst);
  const { view, words } = HOT;
  const n = burst.n & COUNT;
  const port = burst.port | 0;
  const { packs } = burst;
  burst.hasMacs = false;
  let left = 0;
  for (let i = 0; i < n; i++) {
    // An offset that V8 knows not to be negative takes neither overflow check nor sign extension when it is added to.
    const at = words[OFF + i]! & 0x7fffffff;
    const length = words[LEN + i]! & 0x7fffffff;
    if (length < PLAIN_BYTES) {
      rest[left++ & LAST] = i;
      continue;
    }
    // The MAC addresses and what follows by whole words: fewer loads, each of which has its bounds check.
    const first = view.getInt32(at);
    const second = view.getInt32(at + 4);
    const part = P_START + (i << P_SHIFT);
    words[part + P_DMAC_LO] = (first << 16) | (second >>> 16);
    words[part + P_SMAC_LO] = view.getInt32(at + 8);
    words[part + P_MACS] = (first & -0x10000) | (second & 0xffff);
    const group = (first >>> 17) & GROUP;
    // Ethertype and the first two bytes behind it.
    let head = view.getInt32(at + 12);
    let ip = at + HEADER;
    let there = length - HEADER;
    let tag = -1;
    let vlan = 0;
    let origin = port;
    if (head >>> 16 === TYPE_VLAN && length >= PLAIN_BYTES + TAG) {
      tag = head & 0xffff;
      vlan = head & 0xfff;
      origin = port | ((vlan + 1) << P_VLAN);
      head = view.getInt32(at + 16);
      ip = at + (HEADER + TAG);
      there = length - (HEADER + TAG);
    }
    // The rest of the descriptor: a branch that always goes the same way.
    if (packs) {
      words[part + P_SIZE] = length | (words[FLAGS + i]! << P_FLAGS) | (first & P_GROUP);
      words[part + P_ID] = words[ID + i]!;
      words[part + P_ORIGIN] = origin;
    }
    // At most one tag, IPv4 without options, no fragment (0x3fff leaves DF out), ports in the packet.
    if (head >>> 8 === HEAD_IPV4) {
      const total = view.getUint16(ip + 2);
      const middle = view.getInt32(ip + 6);
      // No bit but those of protocols below 32, and one of the two: a branch that mixed traffic does not mispredict.
      if (total >= 24 && total <= there && (middle & 0x3fff00e0) === 0 && ((PORTED >>> middle) & 1) === 1) {
        const protocol = middle & 31;
        words[KIND + i] = PLAIN_IPV4 | group | (protocol << PROTOCOL_SHIFT);
        words[ETHERTYPE + i] = TYPE_IPV4;
        words[L3 + i] = ip;
        words[L4 + i] = ip + 20;
        words[VLAN + i] = tag;
        words[FLOW + i] = flowTag(
          words,
          view.getInt32(ip + 12),
          view.getInt32(ip + 16),
          view.getInt32(ip + 20),
          (protocol << 12) | vlan,
        );
        continue;
      }
    } else if (head >>> 12 === HEAD_IPV6 && there >= 44) {
      // The same for IPv6 without extension headers. A payload length of 0 is left to the long way.
      const middle = view.getInt32(ip + 4);
      const payload = middle >>> 16;
      if (
        payload >= 4 &&
        payload <= there - 40 &&
        (middle & 0xe000) === 0 &&
        ((PORTED >>> (middle >>> 8)) & 1) === 1
      ) {
        const protocol = (middle >>> 8) & 31;
        words[KIND + i] = PLAIN_IPV6 | group | (protocol << PROTOCOL_SHIFT);
        words[ETHERTYPE + i] = TYPE_IPV6;
        words[L3 + i] = ip;
        words[L4 + i] = ip + 40;
        words[VLAN + i] = tag;
        words[FLOW + i] = flowTag(
          words,
          foldAddress(words, view, ip + 8),
          foldAddress(words, view, ip + 24),
          view.getInt32(ip + 40),
          (protocol << 12) | vlan,
        );
        continue;
      }
    } else {
      // No IP at all, as ARP; odd ethertypes (lengths, IP that the conditions above leave, more tags) take the long way.
      const type = head >>> 16;
      if (type >= TYPE_MIN && type !== TYPE_IPV4 && type !== TYPE_IPV6 && !isVlanTag(type)) {
        words[KIND + i] = group;
        words[ETHERTYPE + i] = type;
        words[L3 + i] = -1;
        words[L4 + i] = -1;
        words[VLAN + i] = tag;
        words[FLOW + i] = 0;
        continue;
      }
    }
    rest[left++ & LAST] = i;
  }
  // Not in the loop above, which has no call: docs/hot-loops.md.
  let bad = 0;
  for (let k = 0; k < left; k++) {
    const i = rest[k]!;
    dissectOdd(burst, i);
    if ((burst.kind[i]! & Kind.bad) !== 0) bad++;
  }
  burst.bad = bad;
}

/** A frame that the common path leaves. */
function dissectOdd(burst: Burst, i: number): void {
  const { view } = burst;
  const at = burst.off[i]!;
  const length = burst.len[i]!;
  const group = length > 0 ? (view.getUint8(at) & 1) << 7 : 0;
  if (length < HEADER) setNotIp(burst, i, 0, -1, group | Kind.bad);
  else dissectFrom(burst, i, view.getUint16(at + 12), at + HEADER, at + length, group);
  // A frame without a whole Ethernet header has the addresses that are whole.
  const hasSource = length >= 12;
  burst.describe(
    i,
    length >= 6 ? view.getUint16(at) : 0,
    length >= 6 ? view.getInt32(at + 2) : 0,
    hasSource ? view.getUint16(at + 6) : 0,
    hasSource ? view.getInt32(at + 8) : 0,
  );
}
