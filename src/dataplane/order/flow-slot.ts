/**
 * A slot of the order ledger, word by word, and the word that a frame takes from it to its completion.
 *
 * Promise: whoever reads or writes a slot (the ledger, the dispatcher's loop, the guard, the meter, the census) names
 * its words by these constants; a slot is one line's half, and all that a frame needs stands in it.
 */
import { Field, PARTS } from '../../packet/burst.js';
import { DESCRIPTOR_SHIFT, Part } from '../../packet/descriptor.js';
import { plainTag as tagOfPlain } from '../../packet/flow-tag.js';
import { type Carver, maskedLength } from '../memory/layout.js';

/** Slots of one receive queue that belong to one flow at a time, and those that flows share when these are busy. */
export const FLOW_SLOTS = 16_384;
export const SHARED_SLOTS = 4096;
export const QUEUE_SLOTS = FLOW_SLOTS + SHARED_SLOTS;
/** Words of a slot. A line of its own holds all that a frame needs. */
export const Slot = {
  /** The flow; 0 = none. */
  tag: 0,
  /** What each frame carries to its completion: slot number, class, `MIXED`; `UNWATCHED` for shared slots. */
  word: 1,
  /** Sequence number of the newest frame on its way. */
  newest: 2,
  /** Worker + 1 that got the newest frame, and flags (`Owner`); 0 = nobody has any. */
  owner: 3,
  /** Position of the newest frame in the ring towards that worker. */
  tail: 4,
  /** Millisecond since which a move is postponed. */
  since: 5,
  /** Number of the hold that has the flow's frames. */
  hold: 6,
  /** Frames of the flow so far. */
  frames: 7,
} as const;
export const SLOT_WORDS = 8;

/** Fields of the word `owner`. `old`: the slot's numbers are too old to be compared with new ones. */
export const Owner = { worker: 0xffff, postponed: 1 << 16, held: 1 << 17, old: 1 << 18 } as const;

/** Fields of the word that a frame carries. */
export const WORD_SLOT = (1 << 27) - 1;
export const WORD_CLASS_SHIFT = 27;
/** Frames of the flow are, or were, on their way through several workers at once. */
export const MIXED = 1 << 30;
/** The frame is not watched: any negative word says so; this one is no NaN's upper half (see `Part`). */
export const UNWATCHED = -0x8000_0000;

// Constants of the module: docs/hot-loops.md.
const plainTag = tagOfPlain;
const B_VLAN = Field.vlan;
const B_ETHERTYPE = Field.ethertype;
const B_PARTS = PARTS;
const P_SHIFT = DESCRIPTOR_SHIFT;
const P_DMAC_LO = Part.dmacLo;
const P_SMAC_LO = Part.smacLo;
const P_MACS = Part.macs;

/** Memory of the slots of `queues` receive queues. */
export function carveLedger(carver: Carver, queues: number) {
  return {
    slots: carver.words(maskedLength(queues * QUEUE_SLOTS * SLOT_WORDS)),
    /** Two words a slot, see the meter. */
    finished: carver.words(queues * QUEUE_SLOTS * 2),
  };
}
export type LedgerMemory = ReturnType<typeof carveLedger>;

/**
 * Identity of a frame that is not IP, in place of `burst.flow`: addresses, ethertype and VLAN id. Never 0.
 * @param words `Burst.words`
 */
export function plainFlow(words: Int32Array, i: number): number {
  const vlan = words[B_VLAN + i]!;
  const part = B_PARTS + (i << P_SHIFT);
  const rest = (words[B_ETHERTYPE + i]! << 12) | (vlan < 0 ? 0 : vlan & 0xfff);
  return plainTag(words, words[part + P_DMAC_LO]!, words[part + P_SMAC_LO]!, words[part + P_MACS]!, rest);
}
