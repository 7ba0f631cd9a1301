/**
 * The addon's part in vhost-user ports: rings in guests' memory, and Unix sockets with descriptors.
 *
 * Promise: whatever a guest writes into its rings, or a front-end says of them, a call touches nothing outside the memory
 * that it was given and ends. Control calls throw `Error`s with `code`: EINVAL for what cannot be, EBUSY where a worker
 * stands still on a ring. They belong to the main thread; receivers and senders to the worker that made them.
 */
import type {
  NativePool,
  NativeReceiveArrays,
  NativeReceiver,
  NativeSendArrays,
  NativeSender,
} from './bursts.js';

/** The rings of a port: ring 2q is what the guest receives on, ring 2q + 1 what it sends on. */
export interface NativeVhostBackend {
  /** By which workers find it. */
  readonly number: number;
  /** A descriptor that is readable when the guest has kicked a ring that it sends on: the same for all guests to come. */
  readonly event: number;
  /** @param features one word: what both sides know */
  setFeatures(features: BigUint64Array): void;
  /** All of the memory. @param regions four words each: guest-physical address, size, the front-end's address, offset */
  setMemory(fds: readonly number[], regions: BigUint64Array): void;
  addRegion(fd: number, region: BigUint64Array): void;
  removeRegion(region: BigUint64Array): void;
  setSize(ring: number, entries: number): void;
  setBase(ring: number, next: number): void;
  /**
   * @param addresses of the descriptors, the used ring and the available ring, as the front-end has them; the
   *   guest-physical address for the used ring's log
   * @param logs writes into the used ring are logged
   */
  setAddresses(ring: number, addresses: BigUint64Array, logs: boolean): void;
  /** Marks pages that are written, while the features have `logAll`. @param place size and offset of the map in `fd` */
  setLog(fd: number, place: BigUint64Array): void;
  /** @param kick an eventfd; -1 = the guest does not kick */
  start(ring: number, kick: number): void;
  setCall(ring: number, call: number): void;
  enable(ring: number, on: boolean): void;
  /** When it returns nobody uses the ring. Returns the entry that would have been next. */
  stop(ring: number): number;
  /** The guest is gone: nothing of it is left. */
  reset(): void;
  /** A descriptor that is readable when a burst has found a broken ring, until `broken` is asked. */
  readonly trouble: number;
  /** What the guest did that cannot be, or null. */
  broken(): string | null;
  close(): void;
}

/** Tells that descriptors became readable. Keeps no process alive. */
export interface NativeSocketEvents {
  /** `heard` is called once when it is readable; then it has to be armed again. */
  arm(fd: number): void;
  /** Before it is closed. */
  remove(fd: number): void;
  /** Those that have become readable since the last call. */
  take(): readonly number[];
  close(): void;
}

/** Where the frames of a sender's arrays should be: `native/vhost/flow_rings.h`. */
export interface NativeRingChoice {
  /** By entry: the pair whose ring it should be in; the bucket of its flow, or -1. */
  readonly wanted: Int32Array;
  readonly bucket: Int32Array;
  /** Two words a bucket, shared by all senders of a port. */
  readonly flows: Int32Array;
  /** Is added to: how often somebody else had a ring, and nanoseconds of waiting for it. */
  readonly waits: Float64Array;
}

export interface NativeVhost {
  VhostBackend: new (pairs: number) => NativeVhostBackend;
  /** Of all rings that the guest sends on. @param rings is filled: by entry of the arrays, the frame's pair of rings */
  VhostReceiver: new (
    backend: number,
    pool: NativePool,
    arrays: NativeReceiveArrays,
    rings: Int32Array,
  ) => NativeReceiver;
  VhostSender: new (
    backend: number,
    pool: Uint8Array,
    arrays: NativeSendArrays,
    rings: NativeRingChoice,
  ) => NativeSender;
  SocketEvents: new (heard: () => void) => NativeSocketEvents;
  /** A listening Unix socket; one that a dead process left is replaced. Throws EADDRINUSE for all else that is there. */
  listenUnix(path: string): number;
  connectUnix(path: string): number;
  /** A connection, or -1 where nobody waits. */
  acceptUnix(fd: number): number;
  /** The process that connected, or that listens, at the other end (SO_PEERCRED); 0 where it is not seen from here. */
  peerOfUnix(fd: number): number;
  /** Bytes into `into` (0: the peer is gone, -1: nothing now), and the descriptors that came along: the caller's to close. */
  receiveUnix(fd: number, into: Uint8Array): { readonly length: number; readonly fds: readonly number[] };
  /** False where the peer is gone or takes nothing more. */
  sendUnix(fd: number, data: Uint8Array): boolean;
}
