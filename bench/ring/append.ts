/**
 * The loop that fills the ring in the benchmark's row for the ring alone: that of `handOver` (worker/hand-over.ts) without
 * what that does besides, finding and noting each frame's flow, in one loop with the copying (two loops take longer). So
 * the ring is measured, as `rte_ring` is. The row beside it runs `handOver` itself, and a test holds the memory that both
 * leave to be the same, so that this one cannot measure what the engine does not do.
 *
 * Constants and the object of arrays as there: a thread has one side of one ring.
 */

import { maskBelow } from '#rxsteer/dataplane/memory/layout.js';
import type { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { STATE_SHIFT, State } from '#rxsteer/dataplane/memory/ring.js';
import { DESCRIPTOR_SHIFT, Part } from '#rxsteer/forward/batch.js';
import { BURST_COUNT, BURST_MAX, type Burst, Field, PARTS } from '#rxsteer/packet/burst.js';

const COUNT = BURST_COUNT;
const LAST = BURST_MAX - 1;
const ID = Field.id;
const D_LEDGER = Part.ledger;
const D_SHIFT = DESCRIPTOR_SHIFT;
const B_PAIRS = PARTS >> 1;
const B_SHIFT = DESCRIPTOR_SHIFT - 1;
const S_SHIFT = STATE_SHIFT;
const S_LIMIT = State.limit;
const S_ENTRY = State.entry;
const S_ID = State.id;

interface Hot {
  words: Int32Array;
  wide: Float64Array;
  area: Int32Array;
  areaWide: Float64Array;
  areaMask: number;
  wideMask: number;
}
const HOT = {} as Hot;

function bind(burst: Burst, producer: RingProducer): void {
  HOT.words = burst.words;
  HOT.wide = burst.wide;
  HOT.area = producer.words;
  HOT.areaWide = producer.wide;
  HOT.areaMask = maskBelow(producer.words.length);
  HOT.wideMask = maskBelow(producer.words.length) >>> 1;
}

/**
 * Appends frames from … end - 1 to the ring to worker `to`, unpublished: sequences count from `seq` at frame 0, each carries
 * `word` as the ledger's. Returns how many: 0 when there is no room, and no more than up to the end of the ring's memory.
 */
export function appendRun(
  ring: RingProducer,
  to: number,
  burst: Burst,
  from: number,
  end: number,
  seq: number,
  word: number,
): number {
  const state = (to << S_SHIFT) | 0;
  const all = ring.words;
  if (all[state] === all[state + S_LIMIT]) ring.look(to);
  if (HOT.area !== all || HOT.words !== burst.words) bind(burst, ring);
  const { words, wide, area, areaWide, areaMask, wideMask } = HOT;
  const first = seq | 0;
  const position = all[state]! | 0;
  const room = (all[state + S_LIMIT]! - position) | 0;
  const count = Math.max(0, Math.min(room, end - from)) | 0;
  const entry = (all[state + S_ENTRY]! + (position << D_SHIFT)) | 0;
  const ids = (all[state + S_ID]! + position) | 0;
  const begin = from & COUNT;
  for (let k = 0; k < count; k = (k + 1) | 0) {
    const i = (begin + k) & LAST;
    const e = (entry + (k << D_SHIFT)) & areaMask;
    const t = (e >>> 1) & wideMask;
    const f = B_PAIRS + (i << B_SHIFT);
    area[e] = (first + i) | 0;
    area[e + D_LEDGER] = word;
    areaWide[t + 1] = wide[f + 1]!;
    areaWide[t + 2] = wide[f + 2]!;
    areaWide[t + 3] = wide[f + 3]!;
    area[(ids + k) & areaMask] = words[ID + i]!;
  }
  area[state] = (position + count) | 0;
  return count;
}
