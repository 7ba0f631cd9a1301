/**
 * Where a captured packet's network header begins, whatever its link type.
 *
 * Promise: reads nothing outside the packet; goes past any number of VLAN tags. One object, filled again for each
 * packet. One thread.
 */
import { type CaptureBatch, LinkType } from '../capture/format.js';
import { EtherType } from '../packet/protocol.js';

const ETHERNET = 14;
const COOKED = 16;
const COOKED2 = 20;
const TAG = 4;
const { vlan: VLAN, serviceVlan: SERVICE_VLAN, oldServiceVlan: OLD_SERVICE_VLAN } = EtherType;

export class NetworkHeader {
  /** Ethertype, or -1 where there is none. */
  type = -1;
  /** Offset of the header in the batch's bytes, and bytes of the packet before it. */
  at = 0;
  before = 0;

  /** Finds the header of packet `i`. */
  find({ bytes, off, len, linkType }: CaptureBatch, i: number): void {
    const start = off[i]!;
    const length = len[i]!;
    const link = linkType[i]!;
    let before = 0;
    let type = -1;
    if (link === LinkType.ethernet) {
      before = ETHERNET;
      if (length >= ETHERNET) type = word(bytes, start + 12);
    } else if (link === LinkType.cooked) {
      before = COOKED;
      if (length >= COOKED) type = word(bytes, start + 14);
    } else if (link === LinkType.cooked2) {
      before = COOKED2;
      if (length >= COOKED2) type = word(bytes, start);
    } else if (length > 0) {
      const version = bytes[start]! >> 4;
      type = version === 4 ? EtherType.ipv4 : version === 6 ? EtherType.ipv6 : -1;
    }
    while ((type === VLAN || type === SERVICE_VLAN || type === OLD_SERVICE_VLAN) && length >= before + TAG) {
      type = word(bytes, start + before + 2);
      before += TAG;
    }
    this.type = type;
    this.at = start + before;
    this.before = before;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
