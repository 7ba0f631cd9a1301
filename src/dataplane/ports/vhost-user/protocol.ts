/**
 * Messages of the vhost-user protocol as a back-end reads and writes them.
 *
 * Promise: pure functions of bytes. Source: QEMU's docs/interop/vhost-user.rst. Numbers are the machine's own order,
 * which is little-endian on everything that runs this.
 */

/** Bytes of a message's header: request, flags, length of the payload. */
export const HEADER_BYTES = 12;
/** Longest payload that any message has; a front-end that says more is sent away. */
export const PAYLOAD_MAX = 4096;

/** Requests of a front-end. */
export const Request = {
  getFeatures: 1,
  setFeatures: 2,
  setOwner: 3,
  resetOwner: 4,
  setMemoryTable: 5,
  setLogBase: 6,
  setLogEvent: 7,
  setRingSize: 8,
  setRingAddress: 9,
  setRingBase: 10,
  getRingBase: 11,
  setRingKick: 12,
  setRingCall: 13,
  setRingError: 14,
  getProtocolFeatures: 15,
  setProtocolFeatures: 16,
  getQueueNumber: 17,
  setRingEnable: 18,
  setMtu: 20,
  getMaxMemorySlots: 36,
  addMemoryRegion: 37,
  removeMemoryRegion: 38,
  setStatus: 39,
  getStatus: 40,
} as const;

/** Fields of `flags`. */
export const Flag = { version: 1, versionMask: 3, reply: 4, needReply: 8 } as const;

/** Protocol features by bit. */
export const Protocol = {
  multiQueue: 0,
  logMemory: 1,
  replyAck: 3,
  mtu: 4,
  memorySlots: 15,
  status: 16,
} as const;

/** Virtio features by bit (virtio 1.2, 5.1.3 and 6), those that the port may offer. */
export const VIRTIO_FEATURES = {
  csum: 0,
  guestCsum: 1,
  mtu: 3,
  guestTso4: 7,
  guestTso6: 8,
  guestEcn: 9,
  hostTso4: 11,
  hostTso6: 12,
  hostEcn: 13,
  mergeable: 15,
  guestAnnounce: 21,
  multiQueue: 22,
  logAll: 26,
  indirect: 28,
  eventIdx: 29,
  protocol: 30,
  version1: 32,
} as const;
export type VirtioFeature = keyof typeof VIRTIO_FEATURES;

/** The word that has these bits. */
export function featureWord(names: readonly VirtioFeature[]): bigint {
  return names.reduce((word, name) => word | (1n << BigInt(VIRTIO_FEATURES[name])), 0n);
}

/** Names of the features in a word, those that have one here. */
export function featureNames(word: bigint): VirtioFeature[] {
  return (Object.keys(VIRTIO_FEATURES) as VirtioFeature[]).filter(
    (name) => (word >> BigInt(VIRTIO_FEATURES[name])) & 1n,
  );
}

/** A message as it came. */
export interface Message {
  readonly request: number;
  readonly flags: number;
  readonly payload: DataView;
  /** Descriptors that came with it. */
  readonly fds: readonly number[];
}

/** What a front-end did that ends the connection, in a few words. */
export class ProtocolError extends Error {}

/** Fields of a header. @throws ProtocolError */
export function readHeader(view: DataView): { request: number; flags: number; length: number } {
  const [request, flags, length] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
  ];
  if ((flags & Flag.versionMask) !== Flag.version)
    throw new ProtocolError(`a message of version ${flags & 3}`);
  if (length > PAYLOAD_MAX) throw new ProtocolError(`a message of ${length} bytes`);
  return { request, flags, length };
}

/** A reply to a request. */
export function replyTo(request: number, payload: Uint8Array): Uint8Array {
  const reply = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(reply.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, Flag.version | Flag.reply, true);
  view.setUint32(8, payload.length, true);
  reply.set(payload, HEADER_BYTES);
  return reply;
}

/** A payload of one 64-bit word. */
export function word64(value: bigint | number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

/** A payload of two 32-bit words: a ring's state. */
export function ringState(ring: number, value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(ring, value).buffer);
}
