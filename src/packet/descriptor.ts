/**
 * The descriptor of a frame: 32 bytes, half a cache line, that tell forwarding and accounting all they need to know of it.
 *
 * Promise: dissection packs it once, in `Burst.parts`; from then on it is copied as it is: into a backlog ring, and
 * from there into the work of another worker. Whoever dispatches adds `seq` and `ledger`, which are its own.
 *
 * Two words are copied as one double: the odd ones, the upper halves, never have all of bits 20 to 30 set, so that no
 * pair is a NaN, whose bits JavaScript need not keep.
 */

/** Words of a descriptor. */
export const DESCRIPTOR_WORDS = 8;
export const DESCRIPTOR_SHIFT = 3;

/** The words of a descriptor. */
export const Part = {
  /** Ingest sequence. */
  seq: 0,
  /** Where the frame's completion is accounted: the data plane's own, forwarding does not look at it. */
  ledger: 1,
  /** Last four bytes of the destination MAC. */
  dmacLo: 2,
  /** Length in bits 0-19, `FrameFlag` bits in 20-23, `GROUP_BIT`. */
  size: 3,
  /** Last four bytes of the source MAC. */
  smacLo: 4,
  /** Pool slot. */
  id: 5,
  /** First two bytes of the destination MAC, then those of the source MAC. */
  macs: 6,
  /** Port in bits 0-9, VLAN id + 1 in 10-22 (0 = untagged). */
  origin: 7,
} as const;

export const LENGTH_MASK = 0xfffff;
export const FLAGS_SHIFT = 20;
export const FLAGS_MASK = 15;
/** In `Part.size`: the destination is a group address (broadcast or multicast). */
export const GROUP_BIT = 1 << 24;
export const PORT_MASK = 1023;
export const VLAN_SHIFT = 10;
