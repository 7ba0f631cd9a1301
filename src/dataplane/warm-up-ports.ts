/**
 * The ports of a warm-up: receivers that make frames of every common kind out of nothing, senders that send nowhere.
 *
 * Promise: no kernel, no clock, no other thread, no memory but the slots of the warm-up. They are objects of the classes
 * that the worker's ports will be of, so that V8 finds those where it has learned to expect them; only the native
 * objects inside, which cannot be had without a device, are stand-ins, of so many shapes that V8 expects any.
 */
import { type Burst, BURST_MAX } from '../packet/burst.js';
import { ReceiveStatus, type NativeReceiver, type NativeSender, SendResult } from './native.js';
import { HEADROOM, SMALL_SLOT_BYTES } from './layout.js';
import { LiveReceiver, LiveSender } from './ports/attach.js';
import type { FramePool } from './pool.js';
import { MemorySink } from './ports/memory-sink.js';
import { makeSendArrays, type PortInfo, type Sender } from './ports/port.js';

/** Shapes of an object that V8 tells apart at one place before it expects any. */
const SHAPES = 6;

/** A kind of frame: what follows the MAC addresses, and where source, destination and ports are (0 = there are none). */
interface Template {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly source: number;
  readonly target: number;
  readonly ports: number;
}

/** Behind the ethertype of IPv4: 46 bytes in all, no options, TTL 64. */
const ipv4 = (protocol: number, fragment = 0) => [0x45, 0, 0, 46, 0, 0, fragment, 0, 64, protocol, 0, 0];
const SPACE = new Array<number>(40).fill(0);

function template(head: readonly number[], length: number, source: number, target: number, ports: number): Template {
  const bytes = Uint8Array.from([...SPACE.slice(0, 12), ...head, ...SPACE].slice(0, length));
  return { bytes, length, source, target, ports };
}

const UDP4 = template([0x08, 0x00, ...ipv4(17)], 60, 26, 30, 34);
const TCP4 = template([0x08, 0x00, ...ipv4(6)], 60, 26, 30, 34);
const TAGGED4 = template([0x81, 0, 0, 5, 0x08, 0x00, ...ipv4(17)], 64, 30, 34, 38);
const FRAGMENT4 = template([0x08, 0x00, ...ipv4(17, 0x20)], 60, 26, 30, 0);
const UDP6 = template([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64], 62, 34, 50, 54);
const ARP = template([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1], 60, 0, 0, 0);

/** The kinds of frames in turn. */
const KINDS: readonly Template[] = Array.from({ length: 32 }, (_, k) => {
  if (k % 8 === 1) return TCP4;
  if (k % 8 === 3) return UDP6;
  if (k === 5 || k === 20) return TAGGED4;
  return k === 30 ? ARP : k === 22 ? FRAGMENT4 : UDP4;
});
/** Flows that come again and again, a number that has no factor in common with that of the kinds. */
const FLOWS = 63;
/** One frame in so many is of a new flow to a new guest. */
const FRESH_EVERY = 13;
const GUESTS = 16;
/** How many frames a call gives, in turn. Mostly a whole burst; some calls give none. */
const COUNTS = [64, 64, 64, 0, 64, 64, 1, 64, 64, 7, 64, 64, 32, 64, 64, 0];

/** Makes the frames of a port. */
export class FrameMaker {
  private calls = 0;
  private made = 0;

  /**
   * @param port number of the port that the frames come from, `other` of one that they go to
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
    const { burst, pool, status } = this;
    for (let k = 0; k < status.length; k++) status[k] = 0;
    const room = pool.availableSmall(this.worker) - this.kept;
    const wanted = Math.min(max, room, COUNTS[this.calls++ % COUNTS.length]!, BURST_MAX);
    if (wanted === 0) return 0;
    const n = pool.takeSmall(this.worker, burst.id, wanted);
    if (n < wanted) status[ReceiveStatus.stopped] = 1;
    for (let i = 0; i < n; i++) this.write(i);
    return n;
  }

  private write(i: number): void {
    const { burst, port, other } = this;
    const { view } = burst;
    const at = burst.id[i]! * SMALL_SLOT_BYTES + HEADROOM;
    const number = this.made++;
    const { bytes, length, source, target, ports } = KINDS[number % KINDS.length]!;
    const isFresh = number % FRESH_EVERY === 0;
    const flow = (isFresh ? FLOWS + number : number % FLOWS) + 1;
    const guest = isFresh ? number : flow % GUESTS;
    burst.bytes.set(bytes, at);
    const isGroup = source === 0;
    // Not all guests' addresses begin alike.
    view.setUint16(at, isGroup ? 0xffff : guest % 8 === 7 ? 0x0204 : 0x0200);
    view.setUint32(at + 2, isGroup ? 0xffff_ffff : (other << 16) | (guest & 0xffff));
    view.setUint16(at + 6, 0x0200);
    view.setUint32(at + 8, (port << 16) | (flow % GUESTS));
    // Any bits: what V8 takes for a small number is compiled for small numbers.
    if (source > 0) view.setUint32(at + source, Math.imul(flow, 0x9e37_79b1) >>> 0);
    if (target > 0) view.setUint32(at + target, Math.imul(flow, 0x85eb_ca6b) >>> 0);
    if (ports > 0) view.setUint32(at + ports, Math.imul(flow, 0xc2b2_ae35) >>> 0);
    burst.off[i] = at;
    burst.len[i] = length;
    burst.flags[i] = 0;
  }
}

/** Receivers of live ports that get what `maker` makes: of so many shapes inside that V8 expects any. */
export function practiceReceivers(maker: FrameMaker): LiveReceiver[] {
  return Array.from({ length: SHAPES }, (_, k) => {
    const native: NativeReceiver =
      k % 2 === 0
        ? Object.assign({ [`shape${k}`]: k }, { receive: (max: number) => maker.receive(max), close() {} })
        : Object.assign({ [`shape${k}`]: k }, { receive: (max: number) => maker.receive(max), close() {} });
    return new LiveReceiver(native, -1);
  });
}

/** A sender that is told that all was sent, and now and then that the device was full. */
function practiceNative(k: number, arrays: ReturnType<typeof makeSendArrays>): NativeSender {
  let calls = 0;
  const send = (from: number, to: number) => {
    calls++;
    if (calls % 32 !== 0) return to - from;
    arrays.result[to - 1] = SendResult.full;
    return to - from - 1;
  };
  return k % 2 === 0
    ? Object.assign({ [`shape${k}`]: k }, { send: (from: number, to: number) => { arrays.result[to - 1] = SendResult.sent; return send(from, to); }, close() {} })
    : Object.assign({ [`shape${k}`]: k }, { send: (from: number, to: number) => { arrays.result[to - 1] = SendResult.sent; return send(from, to); }, close() {} });
}

/** A sender for a port as it is in the plan. */
export function practiceSender(info: PortInfo, k: number): Sender | null {
  if (info.txQueues === 0) return null;
  if (info.sink?.kind === 'memory') return new MemorySink();
  const arrays = makeSendArrays();
  return new LiveSender(practiceNative(k, arrays), arrays, info.offload);
}

