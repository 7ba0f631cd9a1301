/**
 * The lane of a worker: the producer's side of all its rings (`ring.ts`), its own frames' included.
 *
 * Promise: appending writes the descriptor of a frame and its slot number; `publish` makes what was appended for a
 * worker visible to it. A full ring refuses.
 *
 * Threads: used by the producing worker's thread alone.
 */
import {
  DESCRIPTOR_SHIFT,
  DESCRIPTOR_WORDS,
  FLAGS_SHIFT,
  GROUP_BIT,
  Part,
  VLAN_SHIFT,
  WORK_MAX,
} from '../forward/work.js';
import { BURST_COUNT, BURST_MAX, type Burst, Field, Kind } from '../packet/burst.js';
import { maskBelow } from './layout.js';
import { DONE, HEAD, lines, type RingMemory, STATE_SHIFT, STATE_WORDS, State, TAIL } from './ring.js';

// Constants of this module's own: V8 folds them into the loop.
const COUNT = BURST_COUNT;
const LAST = BURST_MAX - 1;
const ID = Field.id;
const LEN = Field.len;
const FLAGS = Field.flags;
const KIND = Field.kind;
const VLAN = Field.vlan;
const DMAC_HI = Field.dmacHi;
const DMAC_LO = Field.dmacLo;
const SMAC_HI = Field.smacHi;
const SMAC_LO = Field.smacLo;
const GROUP = Kind.group;
/** `Kind.group` moves to `GROUP_BIT`. */
const GROUP_UP = Math.log2(GROUP_BIT / Kind.group);
const D_SIZE = Part.size;
const D_DMAC_LO = Part.dmacLo;
const D_ID = Part.id;
const D_SMAC_LO = Part.smacLo;
const D_ORIGIN = Part.origin;
const D_MACS = Part.macs;
const D_LEDGER = Part.ledger;
const D_FLAGS = FLAGS_SHIFT;
const D_VLAN = VLAN_SHIFT;
const D_SHIFT = DESCRIPTOR_SHIFT;
const S_SHIFT = STATE_SHIFT;
const S_FIRST = State.first;
const S_LIMIT = State.limit;

/**
 * What the loop reads and writes. V8 takes a field for a constant where the object is one (this module's own) and the
 * field was assigned once, when it came into being: pointers and lengths of the arrays are then part of the code, and
 * nothing is loaded or checked but the index. A thread has one worker, so once is what happens; another lane in the
 * same thread assigns again, which costs V8 its assumption, and nothing else.
 */
interface Hot {
  words: Int32Array;
  lane: Int32Array;
  laneMask: number;
  /** See `Lane`. */
  mask: number;
  idMask: number;
}
const HOT = {} as Hot;

function bind(words: Int32Array, lane: Lane): void {
  HOT.words = words;
  HOT.lane = lane.words;
  HOT.laneMask = maskBelow(lane.words.length);
  HOT.mask = lane.mask;
  HOT.idMask = lane.idMask;
}

export class Lane {
  readonly words: Int32Array;
  readonly idMask: number;
  /** Masks an entry's number. */
  readonly mask: number;
  /** Where the entries of the ring to worker 0 are, from one ring to the next, and from the entries to the slot numbers. */
  readonly entries: number;
  readonly stride: number;
  readonly ids: number;
  /** Published so far, by worker. */
  private readonly published: Int32Array;
  private readonly mine: number;
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
    this.idMask = ring.idMask;
    this.mask = ring.capacity - 1;
    this.entries = ring.entries;
    this.ids = ring.ids - ring.entries;
    this.stride = this.ids + lines(ring.idMask + 1);
    this.published = new Int32Array(rings.length);
    this.mine = me * STATE_WORDS;
    rings.forEach((ring, c) => {
      const { words } = this;
      const tail = Atomics.load(ring.index, TAIL);
      this.published[c] = tail;
      words[ring.state + State.position] = tail;
      words[ring.state + State.first] = 0;
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

  /** Reads again how many frames worker `to` has taken; true when there is room. */
  look(to: number): boolean {
    const { words } = this;
    const at = to * STATE_WORDS;
    if (to !== this.me) words[at + State.limit] = Atomics.load(this.rings[to]!.index, HEAD) + this.limit;
    return ((words[at + State.position]! - words[at + State.limit]!) | 0) < 0;
  }

  /** Appends frame i of a dissected burst, unpublished; false when the ring is full. */
  append(to: number, burst: Burst, i: number, seq: number, ledger: number): boolean {
    const { carried } = this;
    carried[i] = ledger;
    return this.appendRun(to, burst, i, i + 1, (seq - i) | 0, carried) === 1;
  }

  /**
   * Appends frames from … end - 1, unpublished: sequences count from `seq` at frame 0, frame i's ledger word is
   * `carried[i]`. Returns how many there was room for. The dispatcher's loop does the same, and the ledger's part.
   */
  appendRun(to: number, burst: Burst, from: number, end: number, seq: number, carried: Int32Array): number {
    const state = (to << S_SHIFT) | 0;
    const all = this.words;
    let room = (all[state + S_LIMIT]! - all[state]!) | 0;
    if (room < end - from) {
      this.look(to);
      room = (all[state + S_LIMIT]! - all[state]!) | 0;
    }
    const count = Math.max(0, Math.min(room, end - from)) | 0;
    if (HOT.lane !== all || HOT.words !== burst.words) bind(burst.words, this);
    // Masks and `| 0`: see `BURST_COUNT`. No call in the loop: behind one, V8 would have to check everything again.
    const { words, lane, laneMask, mask, idMask } = HOT;
    const first = seq | 0;
    const port = burst.port | 0;
    const start = (this.entries + Math.imul(to, this.stride)) | 0;
    const ids = (start + this.ids) | 0;
    const position = all[state]! | 0;
    const number = (position - all[state + S_FIRST]!) | 0;
    const begin = from & COUNT;
    for (let k = 0; k < count; k = (k + 1) | 0) {
      const i = (begin + k) & LAST;
      const id = words[ID + i]!;
      const vlan = words[VLAN + i]!;
      const e = (start + (((number + k) & mask) << D_SHIFT)) & laneMask;
      lane[e] = (first + i) | 0;
      lane[e + D_SIZE] =
        words[LEN + i]! | (words[FLAGS + i]! << D_FLAGS) | ((words[KIND + i]! & GROUP) << GROUP_UP);
      lane[e + D_DMAC_LO] = words[DMAC_LO + i]!;
      lane[e + D_ID] = id;
      lane[e + D_SMAC_LO] = words[SMAC_LO + i]!;
      lane[e + D_ORIGIN] = port | ((vlan < 0 ? 0 : (vlan & 0xfff) + 1) << D_VLAN);
      lane[e + D_MACS] = (words[DMAC_HI + i]! << 16) | words[SMAC_HI + i]!;
      lane[e + D_LEDGER] = carried[i]!;
      lane[(ids + ((position + k) & idMask)) & laneMask] = id;
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
    return (words[at + State.position]! - words[at + State.limit]! + this.limit) | 0;
  }

  /** Own frames since the last `completeOwn`: the first of them is the own work's first frame. */
  ownCount(): number {
    const { words, mine } = this;
    return (words[mine + State.position]! - words[mine + State.limit]! + WORK_MAX) | 0;
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
    words[mine + State.limit] = (position + WORK_MAX) | 0;
  }
}
