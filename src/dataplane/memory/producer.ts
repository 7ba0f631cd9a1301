/**
 * The area of a worker: the producer's side of all its rings (`ring.ts`), its own frames' included.
 *
 * Promise: appending copies the descriptor of a frame and notes its slot number; `publish` makes what was appended for
 * a worker visible to it. A full ring refuses.
 *
 * Threads: used by the producing worker's thread alone.
 */
import { BATCH_MAX, DESCRIPTOR_SHIFT, DESCRIPTOR_WORDS, Part } from '../../forward/batch.js';
import { BURST_MAX, type Burst, PARTS } from '../../packet/burst.js';
import { maskBelow } from './layout.js';
import { DONE, HEAD, type RingMemory, STATE_SHIFT, STATE_WORDS, State, TAIL } from './ring.js';

// Constants of the module: docs/hot-loops.md.
const D_SHIFT = DESCRIPTOR_SHIFT;
const S_SHIFT = STATE_SHIFT;
const S_LIMIT = State.limit;
const S_ENTRY = State.entry;
const S_CLAIMED = State.claimed;

export class RingProducer {
  readonly words: Int32Array;
  /** The same memory in pairs of words, for copying. */
  readonly wide: Float64Array;
  /** Where the states of the rings begin; that of the ring to worker w is `w * STATE_WORDS` words behind. */
  readonly base: number;
  /** Published so far, by worker. */
  private readonly published: Int32Array;
  private readonly mine: number;
  /** Slots that the frames in one ring to another worker may hold, see `SlotShares`. */
  private share = 0x7fff_ffff;

  /**
   * @param rings from this worker to each, see `carveRings`
   * @param limit frames that may wait in a ring (at most the capacity)
   */
  constructor(
    private readonly rings: readonly RingMemory[],
    private readonly me: number,
    private readonly limit: number,
  ) {
    const [ring] = rings as [RingMemory, ...RingMemory[]];
    this.words = ring.area;
    this.wide = ring.wide;
    this.base = ring.state;
    this.published = new Int32Array(rings.length);
    this.mine = rings[me]!.state;
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
  ownBatch(): Int32Array {
    const { entries } = this.rings[this.me]!;
    return this.words.subarray(entries, entries + BATCH_MAX * DESCRIPTOR_WORDS);
  }

  /** The tail with what is appended but not published: what `ringDone` reaches once the newest frame has finished. */
  position(to: number): number {
    return this.words[this.base + to * STATE_WORDS + State.position]!;
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

  /**
   * The ring to worker `to` has no room for a burst (for half of what it may ever hold, where that is less). The worker's
   * index is read again where the cached one says so.
   */
  short(to: number): boolean {
    const least = Math.min(BURST_MAX, Math.min(this.limit, this.share) >> 1);
    if (this.room(to) >= least) return false;
    this.look(to);
    return this.room(to) < least;
  }

  private room(to: number): number {
    const { words, share } = this;
    const at = this.base + to * STATE_WORDS;
    const position = words[at + State.position]!;
    const inRing = (words[at + State.full]! - position) | 0;
    return Math.min(inRing, (share - ((position - words[at + State.returned]!) | 0)) | 0);
  }

  /** Frames that worker `to` had taken out of its ring when that was looked at last, modulo 2^32. */
  takenBy(to: number): number {
    return (this.words[this.base + to * STATE_WORDS + State.full]! - this.limit) | 0;
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

  /**
   * Appends frame i of a dissected burst, unpublished; false when the ring is full. What leaves the dispatcher's loop
   * comes here; that does the same for all other frames, and the ledger's part.
   */
  append(to: number, burst: Burst, i: number, seq: number, ledger: number): boolean {
    const { words, wide } = this;
    const state = this.base + to * STATE_WORDS;
    if (words[state + State.position] === words[state + State.limit] && !this.look(to)) return false;
    const position = words[state + State.position]!;
    const entry = (words[state + State.entry]! + (position << DESCRIPTOR_SHIFT)) | 0;
    const from = (PARTS + i * DESCRIPTOR_WORDS) >> 1;
    words[entry] = seq;
    words[entry + Part.ledger] = ledger;
    for (let k = 1; k < DESCRIPTOR_WORDS >> 1; k++) wide[(entry >> 1) + k] = burst.wide[from + k]!;
    words[(words[state + State.id]! + position) | 0] = burst.id[i]!;
    words[state + State.position] = position + 1;
    return true;
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
   * Makes everything appended for a worker visible to it: one store. Returns how many frames that were. Until
   * here the frames belong to the producer: should it die before, they are swept with the rest that it holds.
   */
  publish(to: number): number {
    const position = this.words[this.base + to * STATE_WORDS + State.position]! | 0;
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
    const area = this.words;
    const areaMask = maskBelow(area.length);
    const state = (this.base + (to << S_SHIFT)) | 0;
    const position = area[state]! | 0;
    const ahead = Math.min((area[state + S_LIMIT]! - position) | 0, BURST_MAX) | 0;
    const end = (position + ahead) | 0;
    const entry = area[state + S_ENTRY]! | 0;
    // A line has two entries; the one that is being filled is here already.
    const next = ((position + 1) & -2) | 0;
    const claimed = area[state + S_CLAIMED]! | 0;
    let p = ((claimed - next) | 0) > 0 ? claimed : next;
    for (; ((end - p) | 0) > 0; p = (p + 2) | 0) area[(entry + (p << D_SHIFT)) & areaMask] = 0;
    area[state + S_CLAIMED] = p;
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
    const at = this.base + to * STATE_WORDS;
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
    words[mine + State.full] = position + BATCH_MAX;
    this.look(this.me);
  }
}
