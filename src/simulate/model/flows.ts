/**
 * The flows of a run: a frame that stands for each, and what is known of it.
 *
 * Promise: flows are entered before the run and never change places; per packet only typed arrays are touched. Frames
 * are real ones, which the library's policies dissect.
 */
import { ethernet, ipv4, tcp, udp } from '../../packet/build.js';
import { mix } from '../machine/random.js';

/** Unknown so far. */
export const UNKNOWN = -2;

const GROW = 1024;

export class Flows {
  count = 0;
  readonly frames: Uint8Array[] = [];
  /** Seed of the flow's own draws. */
  seed = new Int32Array(GROW);
  /** The program that its packets begin with at their NIC. */
  program = new Int32Array(GROW);
  /** Number of the load, and of the guest (-1 = the host), that it belongs to. */
  load = new Int32Array(GROW);
  guest = new Int32Array(GROW);
  /** Number of the task that reads it, in its world's list. */
  task = new Int32Array(GROW);
  /** The flow of the answers; -1 = none. */
  reverse = new Int32Array(GROW);
  /** Hash that receive steering in software uses. */
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

  add(frame: Uint8Array, seed: number, load: number, guest: number): number {
    const f = this.count++;
    if (f === this.seed.length) this.#grow();
    this.frames.push(frame);
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

/** A frame of the flow between client `n` of a load and a guest; `outward` = from the guest. */
export function makeFrame(
  protocol: 'tcp' | 'udp',
  seed: number,
  n: number,
  guest: number,
  outward = false,
): Uint8Array {
  // Odd multipliers permute: addresses of one load are all different.
  const low = (Math.imul(n, 0x9e3779b1) ^ mix(seed, 0x61646472)) & 0x7fffff;
  const client = `10.${low >> 16}.${(low >> 8) & 255}.${low & 255}`;
  const at = guest + 2;
  const server = `10.128.${at >> 8}.${at & 255}`;
  const sport = 32_768 + ((Math.imul(n, 0x5bd1) + mix(seed, 0x706f7274)) & 0x7fff);
  const ends = outward
    ? { src: server, dst: client, sport: 80, dport: sport }
    : { src: client, dst: server, sport, dport: 80 };
  const l4 = protocol === 'tcp' ? tcp(ends, 6) : udp(ends, 18);
  const macs = outward ? { src: macOf(guest), dst: GATEWAY } : { src: GATEWAY, dst: macOf(guest) };
  return ethernet(macs, ipv4({ src: ends.src, dst: ends.dst }, l4));
}
