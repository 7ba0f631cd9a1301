/**
 * The loop that gives a burst's frames to their workers, as long as nothing has to be decided.
 *
 * Promise: a frame whose flow is on the worker that it is wanted on, and for which the ring there has room, is in that
 * ring and noted in its flow's slot when `handOver` returns; the first frame for which that is not so, and what is
 * behind it, is as it was. Whichever worker a frame goes to, it costs the same.
 *
 * One thread works on one burst, ledger and producer at a time; the arrays are found anew when these change.
 */
import { DESCRIPTOR_SHIFT, Part } from '../../forward/batch.js';
import { BURST_COUNT, type Burst, Field, PARTS } from '../../packet/burst.js';
import { maskBelow } from '../memory/layout.js';
import type { RingProducer } from '../memory/producer.js';
import { STATE_SHIFT, State } from '../memory/ring.js';
import { FLOW_SLOTS, plainFlow, SLOT_WORDS, Slot } from '../order/flow-slot.js';
import type { Ledger } from '../order/ledger.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BURST_COUNT;
const OWNER = Slot.owner;
const WORD = Slot.word;
const NEWEST = Slot.newest;
const TAIL = Slot.tail;
const FRAMES = Slot.frames;
const SLOT_SHIFT = Math.log2(SLOT_WORDS);
/** Distances of a flow's other ways. */
const SECOND = SLOT_WORDS;
const THIRD = 2 * SLOT_WORDS;
const FOURTH = 3 * SLOT_WORDS;
const ID = Field.id;
const FLOW = Field.flow;
const WORKER = Field.worker;
const D_LEDGER = Part.ledger;
const D_SHIFT = DESCRIPTOR_SHIFT;
/** Descriptors of a burst as pairs of words: where they start, and pairs in one. */
const B_PAIRS = PARTS >> 1;
const B_SHIFT = DESCRIPTOR_SHIFT - 1;
const S_SHIFT = STATE_SHIFT;
const S_LIMIT = State.limit;
const S_ENTRY = State.entry;
const S_ID = State.id;

/** What the loop knows of the order ledger. */
type Watched = Pick<Ledger, 'slots' | 'watches'>;

/** What the loop over a burst reads and writes: arrays in a constant object, docs/hot-loops.md. */
interface Hot {
  words: Int32Array;
  wide: Float64Array;
  slots: Int32Array;
  area: Int32Array;
  areaWide: Float64Array;
  slotMask: number;
  areaMask: number;
  wideMask: number;
  flowMask: number;
  tagMask: number;
}
const HOT = {} as Hot;

/** Makes these parts' arrays those that the loop works on. Where nothing is watched all flows are one. */
function bind(burst: Burst, ledger: Watched, producer: RingProducer): void {
  HOT.words = burst.words;
  HOT.wide = burst.wide;
  HOT.slots = ledger.slots;
  HOT.area = producer.words;
  HOT.areaWide = producer.wide;
  HOT.slotMask = maskBelow(ledger.slots.length);
  HOT.areaMask = maskBelow(producer.words.length);
  HOT.wideMask = maskBelow(producer.words.length) >>> 1;
  HOT.flowMask = ledger.watches ? FLOW_SLOTS - 1 : 0;
  HOT.tagMask = ledger.watches ? -1 : 0;
}

/** Arguments of the loop: sequence of frame 0, index of the queue's first slot, where the states of the rings begin. */
const CALL = new Int32Array(3);
const SEQ = 0;
const SLOT = 1;
const BASE = 2;

/**
 * A burst of these parts is to be handed over: what all calls of `handOver` for it have in common.
 * @param first sequence of the burst's frame 0
 * @param firstSlot index of the first word of the queue's first slot
 */
export function beginBurst(
  burst: Burst,
  ledger: Watched,
  producer: RingProducer,
  first: number,
  firstSlot: number,
): void {
  // Whatever else is bound follows from these three.
  if (HOT.words !== burst.words || HOT.slots !== ledger.slots || HOT.area !== producer.words) {
    bind(burst, ledger, producer);
  }
  CALL[SEQ] = first;
  CALL[SLOT] = firstSlot;
  CALL[BASE] = producer.base;
}

/**
 * Hands over frames from … n - 1 of the burst that `beginBurst` named, all of them in small slots, until one needs a
 * decision; returns that one, or n.
 */
export function handOver(from: number, n: number): number {
  // No call in the loop, masks, `| 0`, arguments through memory: docs/hot-loops.md.
  // Copying as in `RingProducer.append`; a loop for the ledger and one for the copies take longer than this one.
  const { words, wide, slots, area, areaWide, slotMask, areaMask, wideMask, flowMask, tagMask } = HOT;
  const first = CALL[SEQ]!;
  const firstSlot = CALL[SLOT]!;
  const base = CALL[BASE]!;
  const end = n & COUNT;
  let i = from & COUNT;
  for (; i < end; i++) {
    const to = words[WORKER + i]! & 0xffff;
    const flow = words[FLOW + i]!;
    const tag = (flow === 0 ? plainFlow(words, i) : flow) & tagMask;
    let s = (firstSlot + (((tag ^ (tag >>> 15)) & flowMask) << SLOT_SHIFT)) & slotMask;
    if (slots[s] !== tag) {
      if (slots[s ^ SECOND] === tag) s ^= SECOND;
      else if (slots[s ^ THIRD] === tag) s ^= THIRD;
      else if (slots[s ^ FOURTH] === tag) s ^= FOURTH;
      else break;
    }
    const ring = (base + (to << S_SHIFT)) & areaMask;
    const position = area[ring]!;
    if (slots[s + OWNER] !== to + 1) break;
    if (position === area[ring + S_LIMIT]!) break;
    const word = slots[s + WORD]!;
    const next = (first + i) | 0;
    const after = (position + 1) | 0;
    const e = (area[ring + S_ENTRY]! + (position << D_SHIFT)) & areaMask;
    const t = (e >>> 1) & wideMask;
    const f = B_PAIRS + (i << B_SHIFT);
    area[e] = next;
    area[e + D_LEDGER] = word;
    areaWide[t + 1] = wide[f + 1]!;
    areaWide[t + 2] = wide[f + 2]!;
    areaWide[t + 3] = wide[f + 3]!;
    area[(area[ring + S_ID]! + position) & areaMask] = words[ID + i]!;
    area[ring] = after;
    slots[s + NEWEST] = next;
    slots[s + TAIL] = after;
    slots[s + FRAMES] = (slots[s + FRAMES]! + 1) | 0;
  }
  return i;
}
