/**
 * What a back-end does at each message of a front-end: the state of one connection.
 *
 * Promise: a message that cannot be is refused with a `ProtocolError` and changes nothing that another port could notice;
 * one that is not known is ignored, or answered as failed where an answer is asked for. A ring's enabling, set-up and
 * start are three things in any order (QEMU enables rings before they exist, and again at every reset). Descriptors of a
 * message stay the caller's to close. Main thread only.
 */
import type { NativeVhostBackend } from '../../../addon/native.js';
import {
  Flag,
  featureNames,
  featureWord,
  type Message,
  Protocol,
  ProtocolError,
  Request,
  ringState,
  type VirtioFeature,
  word64,
} from './protocol.js';

/** Memory slots that a guest may have. */
const MEMORY_SLOTS = 64;
/** In the word of a descriptor message: the ring is in bits 0 to 7, and this bit says that no descriptor came. */
const NO_DESCRIPTOR = 0x100;
const REGION_WORDS = 4;
/** Flag of a ring's addresses (`VHOST_VRING_F_LOG`). */
const LOGS_USED = 1;

export interface SessionParts {
  readonly backend: NativeVhostBackend;
  readonly pairs: number;
  /** Features that the port offers. */
  readonly offered: readonly VirtioFeature[];
}

type Handler = (message: Message) => Uint8Array | null;

export class Session {
  /** Features that both sides know. */
  features = 0n;
  /** The guest's MTU, where the front-end told it. */
  mtu: number | null = null;
  private readonly enabled: Uint8Array;
  private readonly started: Uint8Array;
  /** Sizes of the memory's regions, by guest-physical address. */
  private readonly regions = new Map<bigint, number>();
  private protocolFeatures = 0n;
  private status = 0n;
  private readonly handlers = new Map<number, Handler>();

  constructor(private readonly p: SessionParts) {
    this.enabled = new Uint8Array(2 * p.pairs);
    this.started = new Uint8Array(2 * p.pairs);
    const { handlers } = this;
    const put = (request: number, handler: Handler) => handlers.set(request, handler);
    const none = () => null;
    put(Request.setOwner, none);
    put(Request.resetOwner, none);
    put(Request.getFeatures, () => word64(featureWord(p.offered)));
    put(Request.setFeatures, (m) => this.setFeatures(long(m)));
    put(Request.getProtocolFeatures, () => word64(this.offeredProtocol()));
    put(Request.setProtocolFeatures, (m) => this.setProtocol(long(m)));
    put(Request.getQueueNumber, () => word64(p.pairs));
    put(Request.getMaxMemorySlots, () => word64(MEMORY_SLOTS));
    put(Request.setMemoryTable, (m) => this.setMemory(m));
    put(Request.addMemoryRegion, (m) => this.addRegion(m));
    put(Request.removeMemoryRegion, (m) => this.removeRegion(m));
    put(Request.setLogBase, (m) => this.setLog(m));
    put(Request.setLogEvent, none);
    put(Request.setRingSize, (m) => this.onRing(m, (ring, value) => p.backend.setSize(ring, value)));
    put(Request.setRingBase, (m) => this.onRing(m, (ring, value) => p.backend.setBase(ring, value)));
    put(Request.setRingAddress, (m) => this.setAddress(m));
    put(Request.setRingKick, (m) => this.setKick(m));
    put(Request.setRingCall, (m) => this.setCall(m));
    put(Request.setRingError, (m) => {
      this.descriptorOf(m);
      return null;
    });
    put(Request.setRingEnable, (m) => this.onRing(m, (ring, value) => this.enable(ring, value === 1)));
    put(Request.getRingBase, (m) => this.getBase(m));
    put(Request.setMtu, (m) => this.setMtu(Number(long(m))));
    put(Request.setStatus, (m) => this.setStatus(long(m)));
    put(Request.getStatus, () => word64(this.status));
  }

  /** Bytes of the guest's memory. */
  get memory(): number {
    return [...this.regions.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Pairs of which the guest has started and enabled the ring that it receives on. */
  get receiving(): number[] {
    return Array.from({ length: this.p.pairs }, (_, q) => q).filter(
      (q) => this.enabled[2 * q] === 1 && this.started[2 * q] === 1,
    );
  }

  /** The reply to a message, as a payload, or null where there is none. @throws ProtocolError */
  handle(message: Message): Uint8Array | null {
    const { request, flags, fds } = message;
    const handler = this.handlers.get(request);
    const acknowledges = (flags & Flag.needReply) !== 0 && this.agreed(Protocol.replyAck);
    if (handler === undefined) return acknowledges ? word64(1) : null;
    const most = DESCRIPTORS.get(request) ?? 0;
    if (fds.length > most) throw new ProtocolError(`${fds.length} descriptors with message ${request}`);
    const reply = handler(message);
    return reply ?? (acknowledges ? word64(0) : null);
  }

  private agreed(bit: number): boolean {
    return ((this.protocolFeatures >> BigInt(bit)) & 1n) === 1n;
  }

  private offeredProtocol(): bigint {
    return [
      Protocol.multiQueue,
      Protocol.logMemory,
      Protocol.replyAck,
      Protocol.mtu,
      Protocol.memorySlots,
      Protocol.status,
    ].reduce((word, bit) => word | (1n << BigInt(bit)), 0n);
  }

  private setFeatures(word: bigint): null {
    const unknown = word & ~featureWord(this.p.offered);
    if (unknown !== 0n) throw new ProtocolError(`features that were not offered: 0x${unknown.toString(16)}`);
    this.p.backend.setFeatures(BigUint64Array.of(word));
    this.features = word;
    return null;
  }

  private setProtocol(word: bigint): null {
    const unknown = word & ~this.offeredProtocol();
    if (unknown !== 0n)
      throw new ProtocolError(`protocol features that were not offered: 0x${unknown.toString(16)}`);
    this.protocolFeatures = word;
    return null;
  }

  private setMemory({ payload, fds }: Message): null {
    const count = payload.byteLength >= 8 ? payload.getUint32(0, true) : -1;
    if (count !== fds.length || payload.byteLength < 8 + 32 * count)
      throw new ProtocolError(`a memory table of ${count} regions with ${fds.length} descriptors`);
    const regions = new BigUint64Array(REGION_WORDS * count);
    for (let i = 0; i < count; i++) regions.set(regionAt(payload, 8 + 32 * i), REGION_WORDS * i);
    this.p.backend.setMemory(fds, regions);
    this.regions.clear();
    for (let i = 0; i < count; i++) {
      this.regions.set(regions[REGION_WORDS * i]!, Number(regions[REGION_WORDS * i + 1]!));
    }
    return null;
  }

  private addRegion({ payload, fds }: Message): null {
    if (fds.length !== 1 || payload.byteLength < 40)
      throw new ProtocolError('a memory region without descriptor');
    const region = regionAt(payload, 8);
    this.p.backend.addRegion(fds[0]!, region);
    this.regions.set(region[0]!, Number(region[1]!));
    return null;
  }

  private removeRegion({ payload }: Message): null {
    if (payload.byteLength < 40) throw new ProtocolError('a memory region that is cut short');
    const region = regionAt(payload, 8);
    this.p.backend.removeRegion(region);
    this.regions.delete(region[0]!);
    return null;
  }

  /** A message about a ring: its number, and a value. */
  private onRing({ payload, request }: Message, act: (ring: number, value: number) => void): null {
    if (payload.byteLength < 8) throw new ProtocolError(`message ${request} is cut short`);
    act(this.ring(payload.getUint32(0, true)), payload.getUint32(4, true));
    return null;
  }

  private ring(index: number): number {
    if (index >= 2 * this.p.pairs) throw new ProtocolError(`ring ${index} of ${2 * this.p.pairs}`);
    return index;
  }

  private setAddress({ payload }: Message): null {
    if (payload.byteLength < 40) throw new ProtocolError('ring addresses that are cut short');
    const ring = this.ring(payload.getUint32(0, true));
    // Descriptors, used ring, available ring; where writes into the used ring are logged, if they are.
    this.p.backend.setAddresses(
      ring,
      BigUint64Array.from([8, 16, 24, 32], (at) => payload.getBigUint64(at, true)),
      (payload.getUint32(4, true) & LOGS_USED) !== 0,
    );
    return null;
  }

  /** Always answered, without payload. */
  private setLog({ payload, fds }: Message): Uint8Array {
    if (payload.byteLength < 16 || fds.length !== 1) throw new ProtocolError('a log without descriptor');
    this.p.backend.setLog(fds[0]!, logPlace(payload));
    return new Uint8Array(0);
  }

  /** Ring and descriptor of such a message; -1 = none came. */
  private descriptorOf(message: Message): [ring: number, fd: number] {
    const word = Number(long(message));
    const ring = this.ring(word & 0xff);
    const expected = (word & NO_DESCRIPTOR) === 0 ? 1 : 0;
    if (message.fds.length !== expected)
      throw new ProtocolError(`${message.fds.length} descriptors for ring ${ring}`);
    return [ring, message.fds[0] ?? -1];
  }

  private setKick(message: Message): null {
    const [ring, fd] = this.descriptorOf(message);
    this.p.backend.start(ring, fd);
    this.started[ring] = 1;
    // Without protocol features there is no message to enable a ring.
    if (!featureNames(this.features).includes('protocol')) this.enable(ring, true);
    return null;
  }

  private setCall(message: Message): null {
    const [ring, fd] = this.descriptorOf(message);
    this.p.backend.setCall(ring, fd);
    return null;
  }

  private enable(ring: number, on: boolean): void {
    this.p.backend.enable(ring, on);
    this.enabled[ring] = on ? 1 : 0;
  }

  private getBase({ payload }: Message): Uint8Array {
    if (payload.byteLength < 8) throw new ProtocolError('a ring that is not named');
    const ring = this.ring(payload.getUint32(0, true));
    const next = this.p.backend.stop(ring);
    this.started[ring] = 0;
    return ringState(ring, next);
  }

  private setMtu(mtu: number): null {
    if (mtu < 68 || mtu > 65_535) throw new ProtocolError(`an MTU of ${mtu}`);
    this.mtu = mtu;
    return null;
  }

  private setStatus(word: bigint): null {
    this.status = word;
    return null;
  }
}

/** Descriptors that may come with a message. */
const DESCRIPTORS: ReadonlyMap<number, number> = new Map([
  [Request.setMemoryTable, 8],
  [Request.addMemoryRegion, 1],
  [Request.removeMemoryRegion, 1],
  [Request.setLogBase, 1],
  [Request.setLogEvent, 1],
  [Request.setRingKick, 1],
  [Request.setRingCall, 1],
  [Request.setRingError, 1],
]);

/** The payload as one word. @throws ProtocolError */
function long({ payload, request }: Message): bigint {
  if (payload.byteLength < 8) throw new ProtocolError(`message ${request} is cut short`);
  return payload.getBigUint64(0, true);
}

/** Size and offset. */
const logPlace = (payload: DataView) =>
  BigUint64Array.of(payload.getBigUint64(0, true), payload.getBigUint64(8, true));

/** Guest-physical address, size, the front-end's address, offset. */
function regionAt(payload: DataView, at: number): BigUint64Array {
  return BigUint64Array.from([0, 8, 16, 24], (k) => payload.getBigUint64(at + k, true));
}
