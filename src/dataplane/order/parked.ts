/**
 * Frames that wait for their flow's old worker, per flow in the order in which they came.
 *
 * Promise: a fixed number of frames in a fixed number of holds, allocated once; first in, first out. A frame here is
 * held by the worker that steers (its owner word says so), so it is in flight, and swept should that worker die. Frames
 * in large slots are counted apart.
 *
 * Private to one worker. Fields as in `Burst`, copied, because the burst is reused.
 */
import { type Burst, Field } from '../../packet/burst.js';
import { DESCRIPTOR_WORDS } from '../../packet/descriptor.js';

/** What is kept of a frame's fields: all that dispatch reads. */
const KEPT = [Field.id, Field.off, Field.len, Field.flags, Field.kind];
/** Behind them the descriptor. */
const DESCRIPTOR = KEPT.length;
const PORT = DESCRIPTOR + DESCRIPTOR_WORDS;
const QUEUE = PORT + 1;
const SEQ = PORT + 2;
const NEXT = PORT + 3;
const FRAME_WORDS = 32;

/** A flow whose frames are held. */
export interface Hold {
  /** Ledger slot. */
  slot: number;
  /** Worker that the flow is to move to. */
  target: number;
  /** Millisecond of the first frame. */
  since: number;
  frames: number;
  first: number;
  last: number;
}

export class ParkedFlows {
  /** Frames held now, and those of them that are in large slots. */
  frames = 0;
  large = 0;
  /** Holds in use: the numbers `active[0 … count-1]`. */
  count = 0;
  readonly active: Int32Array;
  readonly holds: readonly Hold[];
  private readonly words: Int32Array;
  private free = 0;

  /**
   * @param capacity frames in all
   * @param flows holds at a time
   * @param smallSlots ids of large slots begin here
   */
  constructor(
    readonly capacity: number,
    flows: number,
    private readonly smallSlots: number,
  ) {
    this.words = new Int32Array(capacity * FRAME_WORDS);
    for (let f = 0; f < capacity; f++) this.words[f * FRAME_WORDS + NEXT] = f + 1 < capacity ? f + 1 : -1;
    if (capacity === 0) this.free = -1;
    this.active = Int32Array.from({ length: flows }, (_, h) => h);
    this.holds = Array.from({ length: flows }, () => ({
      slot: -1,
      target: 0,
      since: 0,
      frames: 0,
      first: -1,
      last: -1,
    }));
  }

  /** Begins a hold; its number, or -1 when none is left. */
  open(slot: number, target: number, now: number): number {
    if (this.count === this.holds.length || this.free < 0) return -1;
    const h = this.active[this.count++]!;
    const hold = this.holds[h]!;
    hold.slot = slot;
    hold.target = target;
    hold.since = now;
    hold.frames = 0;
    hold.first = -1;
    hold.last = -1;
    return h;
  }

  /** Ends hold number `h`, which is empty. */
  close(h: number): void {
    const { active } = this;
    const at = active.indexOf(h);
    this.count--;
    active[at] = active[this.count]!;
    active[this.count] = h;
  }

  /** Appends frame `i` of the burst; false when there is no room. */
  append(h: number, burst: Burst, i: number, seq: number): boolean {
    const frame = this.free;
    if (frame < 0) return false;
    const { words } = this;
    const at = frame * FRAME_WORDS;
    this.free = words[at + NEXT]!;
    for (let k = 0; k < KEPT.length; k++) words[at + k] = burst.words[KEPT[k]! + i]!;
    for (let k = 0; k < DESCRIPTOR_WORDS; k++) {
      words[at + DESCRIPTOR + k] = burst.parts[i * DESCRIPTOR_WORDS + k]!;
    }
    words[at + PORT] = burst.port;
    words[at + QUEUE] = burst.queue;
    words[at + SEQ] = seq;
    words[at + NEXT] = -1;
    const hold = this.holds[h]!;
    if (hold.last >= 0) words[hold.last * FRAME_WORDS + NEXT] = frame;
    else hold.first = frame;
    hold.last = frame;
    hold.frames++;
    this.frames++;
    if (burst.id[i]! >= this.smallSlots) this.large++;
    return true;
  }

  /** Takes the oldest frame of a hold: fills index 0 of `burst`, returns its sequence number. Only while it has any. */
  take(h: number, burst: Burst): number {
    const { words } = this;
    const hold = this.holds[h]!;
    const frame = hold.first;
    const at = frame * FRAME_WORDS;
    for (let k = 0; k < KEPT.length; k++) burst.words[KEPT[k]!] = words[at + k]!;
    for (let k = 0; k < DESCRIPTOR_WORDS; k++) burst.parts[k] = words[at + DESCRIPTOR + k]!;
    burst.port = words[at + PORT]!;
    burst.queue = words[at + QUEUE]!;
    hold.first = words[at + NEXT]!;
    if (hold.first < 0) hold.last = -1;
    hold.frames--;
    this.frames--;
    if (burst.id[0]! >= this.smallSlots) this.large--;
    words[at + NEXT] = this.free;
    this.free = frame;
    return words[at + SEQ]!;
  }
}
