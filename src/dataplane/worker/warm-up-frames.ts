/**
 * The frames of a warm-up: of every common kind, of flows that come again and of new ones, in bursts of every size.
 *
 * Promise: written into slots of the warm-up and nowhere else; never more under way than it has slots. The same frames in
 * each run. Their words are any 32 bits: V8 compiles for the numbers that it has seen, and throws the code away at the
 * first one that is larger.
 */
import { ReceiveStatus } from '../../addon/native.js';
import type { Burst } from '../../packet/burst.js';
import { HEADROOM, SMALL_SLOT_BYTES } from '../memory/layout.js';
import type { FramePool } from '../memory/pool.js';

/** A kind of frame: its bytes, and where source, destination and ports are in them (0 = there are none). */
interface Template {
  readonly bytes: Uint8Array;
  readonly source: number;
  readonly target: number;
  readonly ports: number;
}

const SPACE = new Array<number>(64).fill(0);

function template(
  head: readonly number[],
  length: number,
  source: number,
  target: number,
  ports: number,
): Template {
  const bytes = Uint8Array.from([...SPACE.slice(0, 12), ...head, ...SPACE].slice(0, length));
  return { bytes, source, target, ports };
}

/** An IPv4 header up to its checksum, for 46 bytes in all. */
const ipv4 = (protocol: number, fragment = 0) => [0x45, 0, 0, 46, 0, 0, fragment, 0, 64, protocol, 0, 0];

const UDP4 = template([0x08, 0x00, ...ipv4(17)], 60, 26, 30, 34);
const TCP4 = template([0x08, 0x00, ...ipv4(6)], 60, 26, 30, 34);
const TAGGED4 = template([0x81, 0x00, 0, 5, 0x08, 0x00, ...ipv4(17)], 64, 30, 34, 38);
const FRAGMENT4 = template([0x08, 0x00, ...ipv4(17, 0x20)], 60, 26, 30, 0);
const UDP6 = template([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64], 62, 34, 50, 54);
const ARP = template([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1], 60, 0, 0, 0);

/** The kinds in turn. */
const KINDS: readonly Template[] = Array.from({ length: 32 }, (_, k) => {
  if (k % 8 === 1) return TCP4;
  if (k % 8 === 3) return UDP6;
  if (k === 5 || k === 20) return TAGGED4;
  return k === 30 ? ARP : k === 22 ? FRAGMENT4 : UDP4;
});
/** Flows that come again and again: no factor in common with the kinds. */
const FLOWS = 31;
/** One frame in so many is of one of the rarer flows, and to a new guest. */
const FRESH_EVERY = 13;
const RARER = 29;
const GUESTS = 16;
/** How many frames a call gives, in turn. */
const COUNTS = [64, 64, 64, 0, 64, 64, 1, 64, 64, 7, 64, 64, 32, 64, 64, 0];

/** Makes what a port receives. */
export class PracticeFrames {
  private calls = 0;
  private made = 0;

  /**
   * @param port that the frames come from, `other` one that they go to
   * @param kept free slots of the worker that are none of the warm-up's
   */
  constructor(
    private readonly burst: Burst,
    private readonly status: Int32Array,
    private readonly pool: FramePool,
    private readonly worker: number,
    private readonly port: number,
    private readonly other: number,
    private readonly kept: number,
  ) {}

  /** As `Receiver.receive`. */
  receive(max: number): number {
    const { burst, pool, status, worker } = this;
    for (let k = 0; k < status.length; k++) status[k] = 0;
    const wanted = Math.min(max, COUNTS[this.calls++ % COUNTS.length]!);
    const n = pool.takeSmall(worker, burst.id, Math.min(wanted, pool.availableSmall(worker) - this.kept));
    if (n < wanted) status[ReceiveStatus.stopped] = 1;
    for (let i = 0; i < n; i++) this.write(i);
    return n;
  }

  private write(i: number): void {
    const { burst, port, other } = this;
    const { view } = burst;
    const at = burst.id[i]! * SMALL_SLOT_BYTES + HEADROOM;
    const number = this.made++;
    const kind = KINDS[number % KINDS.length]!;
    const { bytes, source, target, ports } = kind;
    const isFresh = number % FRESH_EVERY === 0;
    const flow = 1 + (isFresh ? FLOWS + (number % RARER) : number % FLOWS);
    const guest = isFresh ? number : flow % GUESTS;
    const isGroup = source === 0;
    burst.bytes.set(bytes, at);
    // Not all addresses begin alike.
    view.setUint16(at, isGroup ? 0xffff : guest % 8 === 7 ? 0x0204 : 0x0200);
    view.setUint32(at + 2, isGroup ? 0xffff_ffff : ((other << 16) | (guest & 0xffff)) >>> 0);
    view.setUint16(at + 6, 0x0200);
    view.setUint32(at + 8, ((port << 16) | (flow % GUESTS)) >>> 0);
    if (source > 0) view.setUint32(at + source, Math.imul(flow, 0x9e37_79b1) >>> 0);
    if (target > 0) view.setUint32(at + target, Math.imul(flow, 0x85eb_ca6b) >>> 0);
    if (ports > 0) view.setUint32(at + ports, Math.imul(flow, 0xc2b2_ae35) >>> 0);
    burst.off[i] = at;
    burst.len[i] = bytes.length;
    burst.flags[i] = 0;
  }
}
