/**
 * The flows of a run: a frame that stands for each, and what is known of it.
 *
 * Promise: flows are entered before the run and never change places; per packet only typed arrays are touched. Frames
 * are real ones, which the library's policies dissect. What a flow alone decides (its frame, its hash, its thread) is
 * made when it is first asked for: a million flows of which few send cost little.
 */
import { ethernet, ipv4, tcp, udp } from '../../packet/build.js';
import { foldSum, putUint16 } from '../../packet/checksum.js';
import { mix } from '../machine/random.js';

/** Unknown so far. */
export const UNKNOWN = -2;

const GROW = 1024;
/** Flows whose frames are kept: policies that look at each packet ask for them again and again. */
const KEPT = 1 << 16;

/** What flows of a load have in common: how what is needed of one is made. `n` = its number among them. */
export interface FlowKind {
  frame(n: number): Uint8Array;
  /** Hash that receive steering uses, of its frame; never 0. */
  hash(frame: Uint8Array): number;
  /** Number of the task that reads it; null = none does, or it was given before. */
  readonly task: ((n: number) => number) | null;
}

export class Flows {
  count = 0;
  readonly #kinds: FlowKind[] = [];
  readonly #frames: (Uint8Array | undefined)[] = [];
  /** Its kind, and its number there. */
  kind = new Int32Array(GROW);
  nth = new Int32Array(GROW);
  /** Seed of the flow's own draws. */
  seed = new Int32Array(GROW);
  /** The program that its packets begin with at their NIC. */
  program = new Int32Array(GROW);
  /** Number of the load, and of the guest (-1 = the host), that it belongs to. */
  load = new Int32Array(GROW);
  guest = new Int32Array(GROW);
  /** Number of the task that reads it, in its world's list; -1 = not known yet, see `taskOf`. */
  task = new Int32Array(GROW);
  /** The flow of the answers; -1 = none. */
  reverse = new Int32Array(GROW);
  /** Hash that receive steering in software uses; 0 = not known yet, see `hashOf`. */
  hash = new Int32Array(GROW);
  /** Queue of the NIC and CPU of a policy behind it, where they depend on the flow alone; `UNKNOWN` = to be asked. */
  queue = new Int32Array(GROW);
  cpu = new Int32Array(GROW);
  /** Queue inside the guest, likewise. */
  guestQueue = new Int32Array(GROW);
  /** Queue on which it was received last, for those who forward. */
  received = new Int32Array(GROW);
  /** Number of the next packet, and highest number that arrived. */
  next = new Int32Array(GROW);
  last = new Int32Array(GROW);

  /** Enters a kind and returns its number. */
  enter(kind: FlowKind): number {
    return this.#kinds.push(kind) - 1;
  }

  /** @param kind number of its kind; @param nth its number there */
  add(kind: number, nth: number, seed: number, load: number, guest: number): number {
    const f = this.count++;
    if (f === this.seed.length) this.#grow();
    this.kind[f] = kind;
    this.nth[f] = nth;
    this.seed[f] = seed;
    this.load[f] = load;
    this.guest[f] = guest;
    this.task[f] = -1;
    this.reverse[f] = -1;
    this.queue[f] = UNKNOWN;
    this.cpu[f] = UNKNOWN;
    this.guestQueue[f] = UNKNOWN;
    this.received[f] = -1;
    this.last[f] = -1;
    return f;
  }

  /** A frame of the flow; not to be written to. */
  frameOf(f: number): Uint8Array {
    const known = this.#frames[f];
    if (known !== undefined) return known;
    const frame = this.#kinds[this.kind[f]!]!.frame(this.nth[f]!);
    if (f < KEPT) this.#frames[f] = frame;
    return frame;
  }

  hashOf(f: number): number {
    const known = this.hash[f]!;
    if (known !== 0) return known;
    const hash = this.#kinds[this.kind[f]!]!.hash(this.frameOf(f));
    this.hash[f] = hash;
    return hash;
  }

  /** Number of the task that reads the flow; -1 = none does. */
  taskOf(f: number): number {
    const known = this.task[f]!;
    if (known >= 0) return known;
    const task = this.#kinds[this.kind[f]!]!.task?.(this.nth[f]!) ?? -1;
    this.task[f] = task;
    return task;
  }

  #grow(): void {
    const own = this as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(own)) {
      if (!(value instanceof Int32Array)) continue;
      const to = new Int32Array(2 * value.length);
      to.set(value);
      own[name] = to;
    }
  }
}

/** MAC of a guest; -1 = the host. */
export function macOf(guest: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return guest < 0 ? '02:00:00:00:00:01' : `52:54:00:00:${hex(guest >> 8)}:${hex(guest & 255)}`;
}

/** What is outside: the gateway. */
const GATEWAY = '02:00:00:00:00:fe';

/** Where the client's address and port are in a frame without tags or options. */
const AT = { ip: 14, source: 26, destination: 30, l4: 34 } as const;
/** Checksum of IPv4, TCP, UDP behind the beginning of their header. */
const SUM = { ip: 10, tcp: 16, udp: 6 } as const;

/** Client `n` of a load: its address (24 bits, behind 10/8) and port. */
function clientOf(seed: number, n: number): { readonly low: number; readonly port: number } {
  // Odd multipliers permute: addresses of one load are all different.
  const low = (Math.imul(n, 0x9e3779b1) ^ mix(seed, 0x61646472)) & 0x7fffff;
  return { low, port: 32_768 + ((Math.imul(n, 0x5bd1) + mix(seed, 0x706f7274)) & 0x7fff) };
}

/**
 * Makes frames of the flows between clients of a load and a guest: `n` is the client's number. `outward` = from the
 * guest.
 */
export function frameMaker(
  protocol: 'tcp' | 'udp',
  seed: number,
  guest: number,
  outward = false,
): (n: number) => Uint8Array {
  const at = guest + 2;
  const server = `10.128.${at >> 8}.${at & 255}`;
  const ends = outward
    ? { src: server, dst: '10.0.0.0', sport: 80, dport: 0 }
    : { src: '10.0.0.0', dst: server, sport: 0, dport: 80 };
  const l4 = protocol === 'tcp' ? tcp(ends, 6) : udp(ends, 18);
  const macs = outward ? { src: macOf(guest), dst: GATEWAY } : { src: GATEWAY, dst: macOf(guest) };
  const template = ethernet(macs, ipv4({ src: ends.src, dst: ends.dst }, l4));
  const address = outward ? AT.destination : AT.source;
  const port = AT.l4 + (outward ? 2 : 0);
  const l4Sum = AT.l4 + SUM[protocol];
  return (n) => {
    const frame = template.slice();
    const client = clientOf(seed, n);
    frame[address + 1] = client.low >> 16;
    putUint16(frame, address + 2, client.low & 0xffff);
    putUint16(frame, port, client.port);
    // What was 0 there has become this much (RFC 1624).
    const more = (client.low >> 16) + (client.low & 0xffff);
    addToChecksum(frame, AT.ip + SUM.ip, more);
    addToChecksum(frame, l4Sum, more + client.port);
    if (protocol === 'udp' && frame[l4Sum] === 0 && frame[l4Sum + 1] === 0) putUint16(frame, l4Sum, 0xffff);
    return frame;
  };
}

/** What a checksum covers has grown by so much. */
function addToChecksum(frame: Uint8Array, at: number, more: number): void {
  const before = (frame[at]! << 8) | frame[at + 1]!;
  putUint16(frame, at, ~foldSum((~before & 0xffff) + more) & 0xffff);
}
