/**
 * The main thread's side of a port behind which something can change while it is open: a device that goes down or
 * vanishes, a guest that comes and goes.
 *
 * Promise: the engine asks all of them alike and knows nothing of their kinds. What a kind says nothing of is as it is
 * with a port that never changes, never drops and keeps order. Main thread only.
 *
 * What workers must know lies in shared memory of the port's own, which its kind puts into `PortInfo.data`. It is written
 * by `publish`; workers read it when they attach, and attach anew, each at a burst boundary, when `check` has said
 * `descriptors`. `attached` follows once all of them have: what they held before is theirs no more.
 */
import type { Steering } from '../../policy/steering.js';
import type { LentSlots } from '../memory/lent.js';
import type { AnyPortSpec } from './kind.js';
import type { QueueSteering } from './queue-steering.js';

/** What changed at the last check: what workers attach to was replaced (they must attach anew), or only the port's state. */
export type LinkChange = 'none' | 'state' | 'descriptors';

/** Descriptors that were replaced. `receive`: frames may lie there that no worker has taken. */
export interface OldDescriptors {
  readonly receive: readonly number[];
  readonly others: readonly number[];
}

export const NO_DESCRIPTORS: OldDescriptors = { receive: [], others: [] };

/** Something that a port warns of when it has happened once, ten times, a hundred … */
export interface CountedWarning {
  /** Tells its warnings apart. */
  readonly kind: string;
  readonly count: number;
  readonly text: string;
}

const NOTHING: readonly CountedWarning[] = [];

/** A task that reads what is sent to a port. */
export interface PortReader {
  /** Which of the port's queues it reads. */
  readonly queue: number;
  readonly task: number;
}

/** What a port may ask of the engine that it belongs to. */
export interface PortHost {
  /** The slots of the engine's frame pool, for devices that are given them as their memory. */
  readonly frames: Uint8Array;
  /** Slots for devices that keep them. */
  readonly lent: LentSlots;
  /** The running policy, for ports that carry it out before frames reach a worker; its workers are those that run. */
  readonly steering: Steering;
  /**
   * Something happened behind the port: it is checked at once, not at the next interval, and told of it (`attached`) as
   * soon as all workers have followed. For event sources of the port's own; not to be called from `check`.
   */
  changed(): void;
}

export abstract class LivePort {
  abstract readonly spec: AnyPortSpec;
  /** What is behind it, as messages name it: an interface, a socket. */
  abstract readonly device: string;
  state: 'up' | 'down' | 'gone' = 'up';
  /** What is behind it can be reached, at the last look. */
  carrier = true;
  /** Why `order=strict` cannot be promised; empty where it can. */
  strictRefused = '';
  /** The program that chooses its receive queue by the running policy; null where something else does. */
  readonly steering: QueueSteering | null = null;
  /** Receive sockets that were replaced because the kernel had given up their ring. */
  ringResets = 0;

  /** Why a flow's order is lost before frames reach us or on their way out, now; empty where it is kept. */
  get orderLost(): string {
    return '';
  }

  /** Frames dropped before this program could have them, as far as the main thread has read of them. */
  get kernelDrops(): number {
    return 0;
  }

  /** Those of them that were super-frames which cannot be expressed. */
  get inexpressible(): number {
    return 0;
  }

  /** Those of them that lay in a queue of this port when it was closed. */
  get unread(): number {
    return 0;
  }

  /** What it can do and what it chose: `detail` in its entry of the summary. */
  detail(): object | null {
    return null;
  }

  /** What it has to warn of beside what the workers count. */
  counted(): readonly CountedWarning[] {
    return NOTHING;
  }

  /**
   * It belongs to an engine now, whose workers attach to it afterwards. A port with event sources of its own begins to
   * listen. @throws UserError
   */
  follow(_host: PortHost): void {}

  /** Looks at what is behind it; when it returns 'descriptors', workers are told after `publish`. */
  abstract check(): { change: LinkChange; old: OldDescriptors };

  /** Writes what workers attach to into the port's shared memory. */
  abstract publish(): void;

  /** Workers had sent so many frames when nothing was known of a change, at that time of `performance.now()`. */
  assure(_sent: number, _at: number): void {}

  /**
   * Writes what senders look at with each call, which may change while they stay attached, as the last check found it;
   * `sent` says how many frames they have sent. Behind each check.
   */
  tellSenders(_sent: () => number): void {}

  /** Who reads what is sent to it, of kinds that know (`PortKind.knowsGuest`); empty while nobody does. */
  readers(): readonly PortReader[] {
    return [];
  }

  /** Where its readers run: of each the worker on its CPU, or -1. For senders whose queues have readers of their own. */
  placeReaders(_readers: readonly PortReader[], _workers: readonly number[]): void {}

  /** All workers have attached to what `publish` told last. */
  attached(): void {}

  /** Closes what was replaced, when every worker has let go of it. */
  closeOld(_old: OldDescriptors): void {}

  /**
   * Puts another socket in the place of one whose ring the kernel has given up; returns the old descriptor. Workers must
   * attach anew. @throws Error where the kernel refuses; nothing has changed then
   */
  replaceReceive(_queue: number): OldDescriptors {
    return NO_DESCRIPTORS;
  }

  /** What is behind it is in another network namespace now, where it is not heard of unless that is asked for. */
  get leftNamespace(): boolean {
    return false;
  }

  /** Brings `kernelDrops` up to date. */
  readDrops(): void {}

  /** Longest packet that fits out of the port; null where there is no such limit, or nothing behind it. */
  get mtu(): number | null {
    return null;
  }

  /** Its MTU is what it is, and those that can follow it do (`applyMtu`). */
  readonly fixesMtu: boolean = false;

  /** @param _others smallest MTU of the ports that fix theirs; 0 = there is none. @throws UserError */
  applyMtu(_others: number): void {}

  /** Shows the state of the other end of a wire to whoever is behind the port. */
  showCarrier(_on: boolean): void {}

  abstract close(): void;
}
