/**
 * PACKET_FANOUT: which socket of a group gets a packet (`packet_rcv_fanout`, `fanout_demux_*`).
 *
 * Promise: the kernel's choice for all eight modes and for rollover, given the packet's symmetric hash, CPU and queue
 * mapping. Randomness (mode rnd, the sampling of huge flows) comes from a seed.
 */
import { UserError } from '../errors.js';
import { rscale } from './arith.js';

/** Mode numbers of setsockopt's argument. */
export const FanoutMode = { hash: 0, lb: 1, cpu: 2, rollover: 3, rnd: 4, qm: 5, cbpf: 6, ebpf: 7 } as const;
/** Name of a mode. */
export type FanoutModeName = keyof typeof FanoutMode;

/** Flags, as in bits 16-31 of setsockopt's argument. */
export const FanoutFlag = {
  rollover: 0x1000,
  uniqueId: 0x2000,
  ignoreOutgoing: 0x4000,
  defrag: 0x8000,
} as const;

/** Members of a group at most unless the group says otherwise, and the most that it can say. */
export const FANOUT_MEMBERS_DEFAULT = 256;
export const FANOUT_MEMBERS_MAX = 65536;

const HISTORY = 16;

/** Room in a member's ring or buffer: under pressure from `low` on. */
export type Room = 'none' | 'low' | 'normal';

/** What of a packet the modes look at. */
export interface FanoutPacket {
  /** The symmetric hash (for modes hash and rollover). */
  readonly hash: number;
  /** CPU that runs the protocol layer, after RPS. */
  readonly cpu: number;
  /** `queue_mapping` as it is: received packets have their queue plus 1. */
  readonly queueMapping: number;
  /** Result of the group's BPF program; absent: no program. */
  readonly program?: number;
}

/** A socket in a group, with its rollover state. `T` is whatever stands for the socket. */
export interface FanoutMember<T> {
  readonly id: T;
  /** Room right now; default always normal. */
  room: () => Room;
  /** Found without normal room at the last look; only the reader clears it (`clearPressure`). */
  pressure: boolean;
  /** Where the last search for room ended. */
  rolloverTo: number;
  readonly history: Int32Array;
  rollovers: number;
  rolloversHuge: number;
  rolloversFailed: number;
}

/** How a group chooses. */
export interface FanoutOptions {
  readonly mode: FanoutModeName;
  readonly rollover?: boolean;
  /** `max_num_members`; 0 or absent: 256. */
  readonly maxMembers?: number;
  readonly seed?: number;
}

/** Setsockopt's 32-bit argument. An unknown mode number delivers like hash. */
export function decodeFanoutArgument(argument: number): { group: number; mode: number; flags: number } {
  return { group: argument & 0xffff, mode: (argument >>> 16) & 0xff, flags: (argument >>> 16) & 0xff00 };
}

/** Setsockopt's 32-bit argument of PACKET_FANOUT; `flags` are bits of `FanoutFlag`. */
export function encodeFanoutArgument(group: number, mode: FanoutModeName, flags = 0): number {
  return ((group & 0xffff) | ((FanoutMode[mode] | flags) << 16)) >>> 0;
}

/** A fanout group: sockets `join` and `leave`, `choose` gives the index of the member that gets a packet. */
export class FanoutGroup<T> {
  readonly members: FanoutMember<T>[] = [];
  private readonly mode: FanoutModeName;
  private readonly rollover: boolean;
  private readonly most: number;
  private counter = 0;
  private random: number;

  /** Throws `UserError` for an unknown mode or more than 65536 members. */
  constructor(options: FanoutOptions) {
    if (!(options.mode in FanoutMode))
      throw new UserError(`fanout mode "${options.mode}": known: ${Object.keys(FanoutMode).join(', ')}`);
    const most = options.maxMembers || FANOUT_MEMBERS_DEFAULT;
    if (!Number.isInteger(most) || most < 0 || most > FANOUT_MEMBERS_MAX)
      throw new UserError(`fanout: ${most} members; 1-${FANOUT_MEMBERS_MAX} are permitted`);
    this.mode = options.mode;
    this.rollover = options.rollover === true;
    this.most = most;
    this.random = (options.seed ?? 1) | 0 || 1;
  }

  /** A socket joins at the end of the list: 'EALREADY' when it is in, 'ENOSPC' when the group is full. */
  join(id: T, room: () => Room = () => 'normal'): 'ok' | 'EALREADY' | 'ENOSPC' {
    if (this.members.some((m) => m.id === id)) return 'EALREADY';
    if (this.members.length >= this.most) return 'ENOSPC';
    this.members.push({
      id,
      room,
      pressure: false,
      rolloverTo: 0,
      history: new Int32Array(HISTORY),
      rollovers: 0,
      rolloversHuge: 0,
      rolloversFailed: 0,
    });
    return 'ok';
  }

  /** A socket leaves (or its device goes down): the last member takes its index. */
  leave(id: T): boolean {
    const at = this.members.findIndex((m) => m.id === id);
    if (at < 0) return false;
    this.members[at] = this.members.at(-1)!;
    this.members.pop();
    return true;
  }

  /** The reader of a member looks at its ring: pressure ends when there is normal room. */
  clearPressure(id: T): void {
    const member = this.members.find((m) => m.id === id);
    if (member?.pressure === true) this.roomOf(member);
  }

  /** Index of the member that gets the packet; -1 when the group is empty. */
  choose(packet: FanoutPacket): number {
    const n = this.members.length;
    if (n === 0) return -1;
    const index = this.demux(packet, n);
    return this.rollover ? this.roll(packet, index, true, n) : index;
  }

  private demux(packet: FanoutPacket, n: number): number {
    switch (this.mode) {
      case 'lb':
        this.counter = (this.counter + 1) >>> 0;
        return this.counter % n;
      case 'cpu':
        return packet.cpu % n;
      case 'rollover':
        return this.roll(packet, 0, false, n);
      case 'rnd':
        return rscale(this.nextRandom(), n);
      case 'qm':
        return packet.queueMapping % n;
      case 'cbpf':
      case 'ebpf':
        return packet.program === undefined ? 0 : (packet.program >>> 0) % n;
      default:
        return rscale(packet.hash, n);
    }
  }

  private roomOf(member: FanoutMember<T>): Room {
    const room = member.room();
    member.pressure = room !== 'normal';
    return room;
  }

  private roll(packet: FanoutPacket, index: number, trySelf: boolean, n: number): number {
    const chosen = this.members[index]!;
    let room: Room = 'none';
    if (trySelf) {
      room = this.roomOf(chosen);
      if (room === 'normal' || (room === 'low' && !this.huge(chosen, packet.hash))) return index;
    }
    const start = Math.min(chosen.rolloverTo, n - 1);
    let i = start;
    do {
      const next = this.members[i]!;
      const skipped = trySelf && next === chosen;
      if (!skipped && !next.pressure && this.roomOf(next) === 'normal') {
        if (i !== start) chosen.rolloverTo = i;
        chosen.rollovers++;
        if (room === 'low') chosen.rolloversHuge++;
        return i;
      }
      i = i + 1 === n ? 0 : i + 1;
    } while (i !== start);
    chosen.rolloversFailed++;
    return index;
  }

  /** More than half of the sampled packets of this member have this hash; the packet replaces a random sample. */
  private huge(member: FanoutMember<T>, hash: number): boolean {
    let count = 0;
    for (let i = 0; i < HISTORY; i++) if (member.history[i] === (hash | 0)) count++;
    member.history[rscale(this.nextRandom(), HISTORY)] = hash;
    return count > HISTORY >> 1;
  }

  /** xorshift32. */
  private nextRandom(): number {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return x;
  }
}
