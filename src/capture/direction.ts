/**
 * Which way a packet went: received by the machine that recorded it, or sent by it.
 *
 * Promise: what the file states and nothing else: the flags of a pcapng packet, the packet type of a Linux cooked
 * packet (4 = outgoing; "for another host" was received, in promiscuous mode). Everything else is unknown.
 *
 * Sources: draft-ietf-opsawg-pcapng (Enhanced Packet Block, flags word), LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 at
 * tcpdump.org/linktypes.html.
 */
import { type CaptureBatch, Direction, LinkType } from './format.js';

const OUTGOING = 4;
/** Packet types that the kernel defines for what it records; others say nothing. */
const TYPES_MAX = 4;

/** `Direction` of packet `i` of a batch, whose link-layer header must still be there. Reads nothing outside it. */
export function directionOf(batch: CaptureBatch, i: number): number {
  const stated = batch.direction[i]!;
  if (stated !== Direction.unknown) return stated;
  const link = batch.linkType[i];
  const at = batch.off[i]!;
  let type: number;
  if (link === LinkType.cooked && batch.len[i]! >= 2) type = (batch.bytes[at]! << 8) | batch.bytes[at + 1]!;
  else if (link === LinkType.cooked2 && batch.len[i]! >= 11) type = batch.bytes[at + 10]!;
  else return Direction.unknown;
  if (type > TYPES_MAX) return Direction.unknown;
  return type === OUTGOING ? Direction.sent : Direction.received;
}
