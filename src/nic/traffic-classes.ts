/**
 * Traffic classes without pools: a VLAN priority chooses the class, RSS the queue inside it.
 *
 * Promise: every class has the same number of queues, and queue = class * queues of a class + RSS index, the number of
 * the ring under Linux; the chip's own register number is told apart. What the chip lacks is a UserError when this is
 * made; lookups allocate nothing. Pure after that.
 *
 * Source: Linux ixgbe driver, which gives the 82599, X540 and X550 room for 16 receive queues a class with more than 4
 * classes (MRQC 0100), of which it uses 8 at most, and for 32 with 4 or fewer (MRQC 0101), of which it uses 16; ATR is
 * off then. Untagged frames have priority 0.
 */
import { NicLimit, UserError } from '../errors.js';
import type { NicProfile } from './profiles.js';

/** VLAN priorities, 0 to 7. */
export const PRIORITIES = 8;

/** Traffic classes of a NIC. */
export interface TrafficClassOptions {
  /** 2 to 8. */
  readonly count: number;
  /** Class of each VLAN priority; absent = priority mod count. */
  readonly priorities?: readonly number[] | undefined;
}

/** @throws UserError for a list that is not of 8 classes that exist. */
export function classesOf(count: number, priorities?: readonly number[]): Int32Array {
  if (priorities === undefined) return Int32Array.from({ length: PRIORITIES }, (_, i) => i % count);
  if (priorities.length !== PRIORITIES) {
    throw new UserError(`traffic classes: ${priorities.length} of them: one for each of 8 VLAN priorities`);
  }
  const wrong = priorities.find((index) => index >= count);
  if (wrong !== undefined) {
    throw new UserError(`traffic classes: class ${wrong}: there are classes 0 to ${count - 1}`);
  }
  return Int32Array.from(priorities);
}

/** VLAN priority of a tag (-1 = untagged). */
export function priorityOf(tag: number): number {
  return tag < 0 ? 0 : (tag >>> 13) & 7;
}

/** `untagged, priority 0 is traffic class 0`, for people. */
export function classWords(tag: number, index: number): string {
  const priority = tag < 0 ? 'untagged, priority 0' : `priority ${priorityOf(tag)}`;
  return `${priority} is traffic class ${index}`;
}

/** The queues of a NIC in classes. */
export class TrafficClasses {
  readonly count: number;
  /** Of each class. */
  readonly queuesEach: number;
  readonly #classes: Int32Array;
  /** Receive queue registers from one class to the next. */
  readonly #stride: number;

  /** @throws UserError for what the NIC does not have. */
  constructor(profile: NicProfile, options: TrafficClassOptions, queuesEach: number) {
    const { count, priorities } = options;
    const most = profile.trafficClasses;
    if (most === 0) throw new NicLimit(`traffic classes: ${profile.id} has none; ixgbe NICs do`);
    if (!Number.isInteger(count) || count < 2 || count > most) {
      throw new NicLimit(`${count} traffic classes: ${profile.id} has 2 to ${most}`);
    }
    const queuesMost = count > 4 ? 8 : 16;
    if (queuesEach > queuesMost) {
      throw new UserError(
        `${queuesEach} queues a class: with ${count} traffic classes ${queuesMost} at most`,
      );
    }
    this.count = count;
    this.queuesEach = queuesEach;
    this.#stride = count > 4 ? 16 : 32;
    this.#classes = classesOf(count, priorities);
  }

  /** Of the whole NIC. */
  get queues(): number {
    return this.count * this.queuesEach;
  }

  /** Class of a frame by its outer tag (-1 = untagged). */
  classOf(tag: number): number {
    return this.#classes[priorityOf(tag)]!;
  }

  /** Queue of an RSS index, for a frame with this tag. */
  queueOf(tag: number, index: number): number {
    return this.classOf(tag) * this.queuesEach + index;
  }

  /** `priority 5 is traffic class 1: queue 1 * 4 + 2 = 6 (register 34)`. */
  words(tag: number, index: number): string {
    const one = this.classOf(tag);
    const queue = this.queueOf(tag, index);
    const register = one * this.#stride + index;
    return `${classWords(tag, one)}: queue ${one} * ${this.queuesEach} + ${index} = ${queue} (register ${register})`;
  }
}
