/**
 * The typed face of the native addon, and its loader.
 *
 * Promise: `loadNative()` returns the addon or null with the reason (`nativeProblem()`), never throws. The addon
 * has no policy and, but for lists of AF_XDP sockets and of guests' rings, no global state: it is loaded once per worker thread, every object
 * belongs to the thread that made it, and file descriptors and mappings are released by `close()`, by garbage collection or when the
 * thread's environment ends, whichever is first.
 *
 * Errors thrown by the addon are `Error`s with `code` (an errno name such as 'ENODEV') and a one-line message
 * that names the system call and the interface. Nothing in `receive`, `send` and `wait` throws.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { NativeBpf } from './bpf.js';
import type {
  NativePool,
  NativeReceiveArrays,
  NativeReceiver,
  NativeSendArrays,
  NativeSender,
  NativeSourceOptions,
} from './bursts.js';
import { findAddon, thisPlace, waysOut } from './find.js';
import type { NativeHash } from './hash.js';
import type { NativeRequests } from './native-requests.js';
import type { NativeVhost } from './native-vhost.js';
import type { NativeXsk } from './native-xsk.js';

export * from './bpf.js';
export * from './bursts.js';
export * from './native-requests.js';
export * from './native-vhost.js';
export * from './native-xsk.js';

/**
 * Descriptors that are not asked for now, and which of them have become readable. A member costs nothing until it is;
 * one that is busy costs its sender a call for each frame, and does not belong here.
 */
export interface NativeWatch {
  /** For `wait`: readable while `take` has something to tell. */
  readonly descriptor: number;
  /** False where the kernel refuses (no memory, no such descriptor). Must be removed before the descriptor is closed. */
  add(fd: number, key: number): boolean;
  remove(fd: number): void;
  /**
   * Writes the keys of members that are readable or in error, as many as `keys` holds, and lets them go. Returns how many.
   */
  take(keys: Int32Array): number;
  close(): void;
}

/**
 * Hears of every change of a link, a queueing discipline, a number of queues or an offload in this network namespace
 * (rtnetlink, ethtool's notifications), right behind the change. Its callback is then called, and not again before `take`.
 * Keeps no process alive.
 */
export interface NativeLinkEvents {
  /** False where the kernel does not tell of numbers of queues (no ethtool family, before Linux 5.6). */
  readonly queues: boolean;
  /** True when it heard something since the last call; forgets it. */
  take(): boolean;
  /**
   * From now on it hears of links in other network namespaces, too: those that have a number in this one, as each has to
   * which an interface was moved from here. False without CAP_NET_BROADCAST.
   */
  everywhere(): boolean;
  close(): void;
}

/** What `linkInfo` tells of an interface. */
export interface LinkInfo {
  readonly name: string;
  readonly index: number;
  /** IFF_UP. */
  readonly up: boolean;
  /** IFF_RUNNING (carrier). */
  readonly running: boolean;
  readonly mtu: number;
  readonly mac: string;
  /** Queues in use (ETHTOOL_GCHANNELS), or allocated where the driver does not tell (a TAP: 256 with multi_queue). */
  readonly rxQueues: number;
  readonly txQueues: number;
  /** IFLA_QDISC, e.g. 'noqueue', 'mq', 'fq_codel'. */
  readonly qdisc: string;
  /** IFLA_MASTER's name (bridge, bond …), or null. */
  readonly master: string | null;
  /** IFLA_INFO_KIND, e.g. 'veth', 'tun', or null for hardware. */
  readonly kind: string | null;
  /** TSO for IPv4 and IPv6 is on (ETHTOOL_GTSO). */
  readonly tso: boolean;
  /** Number of IPv4 and global IPv6 addresses. */
  readonly addresses: number;
  /** Number of the XDP program that is attached; 0 = none. */
  readonly xdpProgram: number;
}

/** The interface of a TAP's descriptor, wherever it is; in another network namespace queues and addresses are not told. */
export interface TapPlace extends LinkInfo {
  /** In another network namespace than this thread. */
  readonly elsewhere: boolean;
  /** Frames that the device has dropped on their way to its descriptors, since it was made. */
  readonly txDropped: number;
}

export interface PacketReceiveOptions {
  readonly ifindex: number;
  /** Ring slots of 2 KiB, 1 to 262,144; rounded up to a power of two, at least 64. */
  readonly slots: number;
  /**
   * PACKET_FANOUT: absent for a single socket. `group` -1 makes one whose number the kernel chooses (`fanoutGroup` tells
   * it), so that no other program's group can be met; else the socket joins that one.
   */
  readonly fanout?: { readonly group: number; readonly mode: 'hash' | 'lb' | 'cpu' | 'qm' | 'rnd' | 'ebpf' };
  /** Take a promiscuous membership (given back when the descriptor closes). */
  readonly promiscuous: boolean;
  /** Program of a `ReceiveGuard`; absent = none. */
  readonly guard?: number;
  /** Takes in nothing before `setReceiveFilter`; default false. */
  readonly shut?: boolean;
  /** Bytes of frames that may wait beside the ring because they exceed its slots (SO_RCVBUF). */
  readonly bufferBytes?: number;
}

export interface TapOptions {
  readonly name: string;
  readonly queues: number;
  /** TUNSETOFFLOAD: accept and deliver GSO frames and partial checksums. */
  readonly offload: boolean;
}

export interface Native extends NativeHash, NativeBpf, NativeVhost, NativeXsk, NativeRequests {
  /** Null when there is no such interface. */
  linkInfo(name: string): LinkInfo | null;
  /**
   * Sends one message to a netlink protocol and gives the messages of the reply, headers included, up to the end of a
   * dump or the acknowledgement. The kernel's error is thrown; no answer within two seconds is ETIMEDOUT.
   */
  netlink(protocol: number, message: Uint8Array): Uint8Array[];
  /**
   * The ioctl SIOCETHTOOL, for commands that read (EPERM for all others): gives a copy of the structure as the kernel
   * filled it. The structure must be as long as the kernel's and what its own counts announce.
   */
  ethtool(device: string, command: Uint8Array): Uint8Array;
  /** A bound TPACKET socket with its ring set up; returns the descriptor. */
  openPacketReceive(options: PacketReceiveOptions): number;
  /** Puts a socket filter before a packet socket, in place of any other; -1: none, everything passes. */
  setReceiveFilter(fd: number, program: number): void;
  /** Frames wait behind a descriptor that nobody has taken. */
  readable(fd: number): boolean;
  /** Waits (ms) until what any CPU had begun in the kernel's data path, with an old filter or program, is over. */
  gracePeriod(): void;
  /** Sets SO_RCVBUF of an open socket, as far as the kernel permits. */
  setReceiveBuffer(fd: number, bytes: number): void;
  /** Lets nothing into a receive socket from now on; what comes is counted nowhere. */
  shutReceive(fd: number): boolean;
  /** A packet socket for sending (protocol 0: receives nothing) with PACKET_VNET_HDR. */
  openPacketSend(options: { readonly ifindex: number; readonly bypass: boolean }): number;
  /** Kinds of super-frames that a device does not segment itself, as bits that senders know. */
  deviceLacks(ifindex: number): number;
  /**
  /**
   * PACKET_STATISTICS since it was read last: packets seen (dropped ones included) and packets dropped for want of a
   * free slot. Receivers read it too, see `ReceiveStatus.kernelDrops`.
   */
  packetStatistics(fd: number): { packets: number; drops: number };
  /** Number of the fanout group of a socket. */
  fanoutGroup(fd: number): number;
  /** Lets receiving packet sockets take in nothing more; what is in their rings stays there. Waits for the kernel (ms). */
  stopReceiving(fds: readonly number[]): void;
  /** Counts the frames in the ring of such a socket that nobody has taken. When no receiver of it runs any more. */
  packetUnread(fd: number): number;
  /** Takes what lies in a TAP's queue and counts it: as much as a queue can hold at most. When no receiver runs. */
  tapUnread(fd: number): number;
  /** Whether the process can open so many descriptors at this moment. */
  canOpen(count: number): boolean;
  /** Creates or attaches a TAP; all its queues' descriptors, non-blocking, with virtio-net headers. */
  openTap(options: TapOptions): { fds: number[]; created: boolean; index: number };
  /** IFF_UP on an interface (the one this program created). */
  setLinkUp(name: string): void;
  /** Sets an interface's MTU in bytes. */
  setMtu(name: string, mtu: number): void;
  /** Sets the carrier that a TAP shows, by one of its descriptors; false where the kernel refuses it. */
  setTapCarrier(fd: number, on: boolean): boolean;
  /** True while a TAP descriptor has its interface, also under another name or in another network namespace. */
  tapAttached(fd: number): boolean;
  /**
   * The interface that a TAP descriptor has now, under whatever name and in whatever network namespace. Null where it has
   * none, and where it cannot be told (before Linux 5.2, without CAP_NET_ADMIN over that namespace).
   */
  tapPlace(fd: number): TapPlace | null;
  /**
   * True while a packet socket is bound to its device. The kernel unbinds it for good when the device is deleted or
   * moved to another network namespace, also where one of the same name and index follows at once.
   */
  packetAttached(fd: number): boolean;
  closeDescriptor(fd: number): void;

  /**
   * Worker side of a packet socket: duplicates the descriptor and maps its ring. `cursor` is one shared word
   * that holds the ring position, so that another thread can go on where a dead one stopped.
   */
  /**
   * `state`: shared words that outlive the receiver: the position in the ring, and (with 3 words at least) the identity
   * of the ring that it belongs to: over another ring the receiver begins at the start.
   */
  PacketReceiver: new (
    fd: number,
    state: Int32Array,
    pool: NativePool,
    arrays: NativeReceiveArrays,
  ) => NativeReceiver;
  /**
   * Sends through `queued`, a socket without bypass, while the word `path` (shared; read at each call) is 1, else through
   * `bypass`, a socket past the queueing discipline; there frames without offloads go through `xsk` (with its `staging`)
   * where that is given, and without a socket (-1) nothing else does.
   */
  PacketSender: new (
    bypass: number,
    queued: number,
    path: Int32Array,
    pool: Uint8Array,
    arrays: NativeSendArrays,
    ifindex: number,
    xsk?: number,
    staging?: Uint8Array,
  ) => NativeSender;
  /**
   * `state` (a word) and `spare` (`TAP_SPARE_BYTES`) hold a frame that was read while no large slot was free; in shared
   * memory the next receiver of the queue goes on with it. Without them the frame goes with the receiver.
   */
  TapReceiver: new (
    fd: number,
    pool: NativePool,
    arrays: NativeReceiveArrays,
    state?: Int32Array,
    spare?: Uint8Array,
  ) => NativeReceiver;
  TapSender: new (fd: number, pool: Uint8Array, arrays: NativeSendArrays) => NativeSender;
  /**
   * A function that makes a burst of a memory source. Before a call `call[0]` says how many frames are wanted at most;
   * it sets `call[1]` = frames made, fills the arrays and the status words as a receive call does, and writes the
   * number of the next frame to `state` (low and high half) and `clock[0]`. `clock[1]`, `clock[2]`: when the clock of
   * a source with a rate started (milliseconds of `performance.now()`, -1 = not yet), and with which frame.
   */
  bindMemorySource(
    options: NativeSourceOptions,
    pool: NativePool,
    arrays: NativeReceiveArrays,
    state: Int32Array,
    call: Int32Array,
    clock: Float64Array,
  ): () => void;

  /** An eventfd (non-blocking). */
  openEvent(): number;
  /** Adds 1 to an eventfd: wakes the thread that waits on it. One system call. */
  wake(fd: number): void;
  /**
   * Sleeps until one of the descriptors is readable or the time is over; drains `event` (an eventfd); clears
   * pending socket errors so that a dead link cannot make it spin. Returns the number of readable descriptors.
   */
  wait(event: number, fds: Int32Array, count: number, timeoutMs: number): number;
  /** Throws where no descriptor or thread is left. `heard` is called from the event loop, see `NativeLinkEvents`. */
  LinkEvents: new (
    heard: () => void,
  ) => NativeLinkEvents;
  /** Throws where no descriptor is left. */
  Watch: new () => NativeWatch;
  /** Pins the calling thread to a CPU. Throws EINVAL for a CPU that is not there. */
  pinThread(cpu: number): void;
  /** CPU time of the calling thread in nanoseconds (CLOCK_THREAD_CPUTIME_ID). */
  threadCpuTime(): number;
  /** CLOCK_MONOTONIC in nanoseconds as a double (exact to 2^53). */
  monotonic(): number;
  /**
   * A function that writes clocks into `times` and returns nothing: [0] milliseconds since CLOCK_MONOTONIC was
   * `originNs`, [1] CLOCK_MONOTONIC in nanoseconds, and with `cpu` [2] CPU time of the calling thread in nanoseconds.
   * See `ThreadClock`.
   */
  bindClock(times: Float64Array, originNs: number, cpu: boolean): () => void;
  /**
   * Gives back what a function of `bindClock`, `bindMemorySource`, `bindBurstHash` or `bindPackedHash` holds; calls of
   * it do nothing from then on. Else that waits for the garbage collector, which does not know how much it is, and for
   * a turn of the thread's event loop. Throws EINVAL for any other function.
   */
  releaseBound(bound: () => void): void;
  /** Gives the CPU to another runnable thread (sched_yield). */
  yieldThread(): void;

  /** Capabilities of the calling thread as bit masks (bit n = number n in linux/capability.h). */
  capabilities(): {
    readonly effective: number;
    readonly permitted: number;
    readonly bounding: number;
    readonly noNewPrivileges: boolean;
  };
  /** Makes those of the mask that are permitted effective, and no others, in the calling thread alone. */
  setEffectiveCapabilities(mask: number): void;
  /**
   * Takes all other capabilities than those of the mask from every thread of the process, for good (bounding set and
   * no_new_privs too); the number of threads. Throws where a thread cannot be reached: others may have lost them then.
   */
  limitCapabilities(keep: number): number;
  /** Whether the calling thread may read (or write to) the path, with its effective user and capabilities. */
  mayAccess(path: string, write: boolean): boolean;
  /** User id behind the other end of a Unix socket (SO_PEERCRED). */
  peerUser(fd: number): number;
  /** Sends one datagram to a Unix socket: a path, or '@' and an abstract name. Blocks for a second at most. */
  notifyService(address: string, message: string): void;
}

let loaded: Native | null | undefined;
let problem = '';

/** The addon, or null where there is none or it does not load; then `nativeProblem()` says why in one line. */
export function loadNative(): Native | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  const place = thisPlace();
  const found = findAddon(place);
  if ('problem' in found) {
    problem = found.problem;
    return null;
  }
  try {
    loaded = createRequire(import.meta.url)(resolve(found.file)) as Native;
  } catch (error) {
    const line = (error as Error).message.split('\n')[0];
    problem = `the native addon does not load: ${line}; ${waysOut(place.root)}`;
  }
  return loaded;
}

/** Why `loadNative()` returned null; empty otherwise. */
export function nativeProblem(): string {
  loadNative();
  return problem;
}
