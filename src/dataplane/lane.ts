/**
 * The lane of a worker: the producer's side of all its rings (`ring.ts`), its own frames' included.
 *
 * Promise: appending copies the descriptor of a frame and notes its slot number; `publish` makes what was appended for
 * a worker visible to it. A full ring refuses.
 *
 * Threads: used by the producing worker's thread alone.
 */
import { DESCRIPTOR_SHIFT, DESCRIPTOR_WORDS, Part, WORK_MAX } from '../forward/work.js';
import { BURST_COUNT, BURST_MAX, type Burst, Field, PARTS } from '../packet/burst.js';
import { maskBelow } from './layout.js';
import { DONE, HEAD, type RingMemory, STATE_SHIFT, STATE_WORDS, State, TAIL } from './ring.js';

// Constants of this module's own: V8 folds them into the loop.
const COUNT = BURST_COUNT;
const LAST = BURST_MAX - 1;
const ID = Field.id;
const D_LEDGER = Part.ledger;
const D_SHIFT = DESCRIPTOR_SHIFT;
/** Descriptors of a burst as pairs of words: where they start, and pairs in one. */
const B_PAIRS = PARTS >> 1;
const B_SHIFT = DESCRIPTOR_SHIFT - 1;
const S_SHIFT = STATE_SHIFT;
const S_LIMIT = State.limit;
const S_ENTRY = State.entry;
const S_ID = State.id;
const S_CLAIMED = State.claimed;

/**
 * What the loop reads and writes. V8 takes a field for a constant where the object is one (this module's own) and the
 * field was assigned once, when it came into being: pointers and lengths of the arrays are then part of the code, and
 * nothing is loaded or checked but the index. A thread has one worker, so once is what happens; another lane in the
 * same thread assigns again, which costs V8 its assumption, and nothing else.
 */
interface Hot {
  words: Int32Array;
  wide: Float64Array;
  lane: Int32Array;
  laneWide: Float64Array;
  laneMask: number;
  wideMask: number;
}
const HOT = {} as Hot;

function bind(burst: Burst, lane: Lane): void {
  HOT.words = burst.words;
  HOT.wide = burst.wide;
  HOT.lane = lane.words;
  HOT.laneWide = lane.wide;
  HOT.laneMask = maskBelow(lane.words.length);
  HOT.wideMask = maskBelow(lane.words.length) >>> 1;
}

export class Lane {
  readonly words: Int32Array;
  /** The same memory in pairs of words, for copying. */
  readonly wide: Float64Array;
  /** Published so far, by worker. */
  private readonly published: Int32Array;
  private readonly mine: number;
  /** Slots that the frames in one ring to another worker may hold, see `SlotShares`. */
  private share = 0x7fff_ffff;
  /** What `append` gives to `appendRun`. */
  private readonly carried = new Int32Array(BURST_MAX);

  /**
   * @param rings from this worker to each, see `carveLane`
   * @param limit frames that may wait in a ring (at most the capacity)
   */
  constructor(
    private readonly rings: readonly RingMemory[],
    private readonly me: number,
    private readonly limit: number,
  ) {
    const [ring] = rings as [RingMemory, ...RingMemory[]];
    this.words = ring.lane;
    this.wide = new Float64Array(ring.lane.buffer, ring.lane.byteOffset, ring.lane.length >> 1);
    this.published = new Int32Array(rings.length);
    this.mine = me * STATE_WORDS;
    rings.forEach((ring, c) => {
      const { words } = this;
      const tail = Atomics.load(ring.index, TAIL);
      this.published[c] = tail;
      words[ring.state + State.position] = tail;
      words[ring.state + State.claimed] = tail;
      if (c === me) {
        // What a dead predecessor had was swept: it is finished.
        ring.index[HEAD] = tail;
        ring.index[DONE] = tail;
        words[ring.state + State.returned] = tail;
        this.rewind();
      } else this.look(c);
    });
  }

  /** The own work's memory. */
  ownWork(): Int32Array {
    const { entries } = this.rings[this.me]!;
    return this.words.subarray(entries, entries + WORK_MAX * DESCRIPTOR_WORDS);
  }

  /** The tail with what is appended but not published: what `ringDone` reaches once the newest frame has finished. */
  position(to: number): number {
    return this.words[to * STATE_WORDS + State.position]!;
  }

  /**
   * Reads again how many frames worker `to` has taken, and goes on behind a wrap-around; true when there is room. Who
   * appends calls it at the limit: once in as many frames as a ring has entries, at least.
   */
  look(to: number): boolean {
    const { words } = this;
    const { state, index } = this.rings[to]!;
    if (to !== this.me) words[state + State.full] = Atomics.load(index, HEAD) + this.limit;
    return this.settle(to);
  }

  /** Sets the limit by what is known; true when there is room. */
  private settle(to: number): boolean {
    const { words } = this;
    const ring = this.rings[to]!;
    const at = ring.state;
    const position = words[at + State.position]!;
    const mask = ring.capacity - 1;
    let number = position & mask;
    let room = (words[at + State.full]! - position) | 0;
    if (to === this.me) number = (position - words[at + State.first]!) | 0;
    else room = Math.min(room, this.share - ((position - words[at + State.returned]!) | 0));
    const place = position & ring.idMask;
    room = Math.max(0, room);
    words[at + State.entry] = ring.entries + ((number - position) << DESCRIPTOR_SHIFT);
    words[at + State.id] = ring.ids + place - position;
    words[at + State.limit] = position + Math.min(room, mask + 1 - number, ring.idMask + 1 - place);
    return room > 0;
  }

  /** The frames in each ring to another of the workers 0 … span-1 may hold `share` slots from now on. */
  setShare(share: number, span: number): void {
    this.share = share;
    for (let to = 0; to < span; to++) if (to !== this.me) this.settle(to);
  }

  /** Frames in large slots that went to worker `to` and were not taken back. */
  largeIn(to: number): number {
    return this.words[this.rings[to]!.large]!;
  }

  /** The frame appended last is in a large slot. */
  addLarge(to: number): void {
    const { large } = this.rings[to]!;
    this.words[large] = this.words[large]! + 1;
  }

  /** Appends frame i of a dissected burst, unpublished; false when the ring is full. */
  append(to: number, burst: Burst, i: number, seq: number, ledger: number): boolean {
    const { carried } = this;
    carried[i] = ledger;
    return this.appendRun(to, burst, i, i + 1, (seq - i) | 0, carried) === 1;
  }

  /** As `append`, for a frame that may go `extra` frames beyond the ring's share. */
  appendBeyond(extra: number, to: number, burst: Burst, i: number, seq: number, ledger: number): boolean {
    this.share += extra;
    this.look(to);
    const appended = this.append(to, burst, i, seq, ledger);
    this.share -= extra;
    this.settle(to);
    return appended;
  }

  /**
   * Appends frames from … end - 1, unpublished: sequences count from `seq` at frame 0, frame i's ledger word is
   * `carried[i]`. Returns how many: 0 when there is no room, and no more than up to the end of the ring's memory. The
   * dispatcher's loop does the same, and the ledger's part.
   */
  appendRun(to: number, burst: Burst, from: number, end: number, seq: number, carried: Int32Array): number {
    const state = (to << S_SHIFT) | 0;
    const all = this.words;
    if (all[state] === all[state + S_LIMIT]) this.look(to);
    if (HOT.lane !== all || HOT.words !== burst.words) bind(burst, this);
    // Masks and `| 0`: see `BURST_COUNT`. No call in the loop: behind one, V8 would have to check everything again.
    const { words, wide, lane, laneWide, laneMask, wideMask } = HOT;
    const first = seq | 0;
    const position = all[state]! | 0;
    const room = (all[state + S_LIMIT]! - position) | 0;
    const count = Math.max(0, Math.min(room, end - from)) | 0;
    const entry = (all[state + S_ENTRY]! + (position << D_SHIFT)) | 0;
    const ids = (all[state + S_ID]! + position) | 0;
    const begin = from & COUNT;
    for (let k = 0; k < count; k = (k + 1) | 0) {
      const i = (begin + k) & LAST;
      const e = (entry + (k << D_SHIFT)) & laneMask;
      const t = (e >>> 1) & wideMask;
      const f = B_PAIRS + (i << B_SHIFT);
      lane[e] = (first + i) | 0;
      lane[e + D_LEDGER] = carried[i]!;
      laneWide[t + 1] = wide[f + 1]!;
      laneWide[t + 2] = wide[f + 2]!;
      laneWide[t + 3] = wide[f + 3]!;
      lane[(ids + k) & laneMask] = words[ID + i]!;
    }
    lane[state] = (position + count) | 0;
    return count;
  }

  /**
   * Makes everything appended for a worker visible to it: one store. Returns how many frames that were. Until
   * here the frames belong to the producer: should it die before, they are swept with the rest that it holds.
   */
  publish(to: number): number {
    const position = this.words[to * STATE_WORDS + State.position]! | 0;
    const count = (position - this.published[to]!) | 0;
    if (count === 0) return 0;
    this.published[to] = position;
    const { index } = this.rings[to]!;
    if (to === this.me) {
      // Read by this thread only (and by the main thread once it is dead): plain stores. They are taken at once.
      index[TAIL] = position;
      index[HEAD] = position;
    } else Atomics.store(index, TAIL, position);
    return count;
  }

  /**
   * Fetches the lines of the next burst's entries, as far as the ring has room: stores to them need not wait for the
   * other core then. To be called after `publish`. A processor finishes stores in order and has room for some 60 that
   * wait; one store a line keeps all of these lines under way at once, filling entries no more than three.
   */
  claim(to: number): void {
    const lane = this.words;
    const laneMask = maskBelow(lane.length);
    const state = (to << S_SHIFT) | 0;
    const position = lane[state]! | 0;
    const ahead = Math.min((lane[state + S_LIMIT]! - position) | 0, BURST_MAX) | 0;
    const end = (position + ahead) | 0;
    const entry = lane[state + S_ENTRY]! | 0;
    // A line has two entries; the one that is being filled is here already.
    const next = ((position + 1) & -2) | 0;
    const claimed = lane[state + S_CLAIMED]! | 0;
    let p = ((claimed - next) | 0) > 0 ? claimed : next;
    for (; ((end - p) | 0) > 0; p = (p + 2) | 0) lane[(entry + (p << D_SHIFT)) & laneMask] = 0;
    lane[state + S_CLAIMED] = p;
  }

  /**
   * Frames that wait in a ring, if more than `known` do; else some number up to that. The consumer's index is read
   * again only when the cached one says more: what was taken since must not count as waiting.
   */
  occupancy(to: number, known = -1): number {
    if (this.waiting(to) > known) this.look(to);
    return this.waiting(to);
  }

  private waiting(to: number): number {
    const { words } = this;
    const at = to * STATE_WORDS;
    return (words[at + State.position]! - words[at + State.full]! + this.limit) | 0;
  }

  /** Own frames since the last `completeOwn`: the first of them is the own work's first frame. */
  ownCount(): number {
    const { words, mine } = this;
    return (words[mine + State.position]! - words[mine + State.first]!) | 0;
  }

  /** All own frames are finished. Their slots come back as all others do: call `FramePool.reclaim`, then `rewind`. */
  completeOwn(): void {
    this.publish(this.me);
    this.rings[this.me]!.index[DONE] = this.words[this.mine + State.position]!;
  }

  /** The next own frame is the first of a new work. */
  rewind(): void {
    const { words, mine } = this;
    const position = words[mine + State.position]!;
    words[mine + State.first] = position;
    words[mine + State.full] = position + WORK_MAX;
    this.look(this.me);
  }
}
