/**
 * The virtio-net header in the 10 bytes before a frame (virtio 1.2, 5.1.6; linux/virtio_net.h, the form without
 * `num_buffers`), little-endian as TUNSETVNETLE and x86 have it.
 *
 * Promise: functions on the pool's bytes; `off` is the frame's offset, the header is at `off` - 10. The reader
 * fills an object that the caller keeps, so that nothing is allocated per frame.
 */
import { VNET_HDR_LENGTH } from './burst.js';

/** Bits of `flags`. */
export const VnetFlag = {
  /** The transport checksum is partial: to be completed from `csumStart`. */
  needsCsum: 1,
  /** The checksum was verified. */
  dataValid: 2,
} as const;

/** Values of `gsoType` without the `ecn` bit. */
export const VnetGso = {
  none: 0,
  tcp4: 1,
  /** UFO: fragments, not datagrams; no current kernel sends it. */
  udp: 3,
  tcp6: 4,
  /** USO: each segment is a datagram. */
  udpL4: 5,
  /** Set beside a TCP type: the first segment carries CWR. */
  ecn: 0x80,
} as const;

/** A decoded header. */
export class VnetHeader {
  flags = 0;
  gsoType = 0;
  /** Length of all headers; a hint which is never relied on. */
  hdrLen = 0;
  /** Payload bytes of a segment. */
  gsoSize = 0;
  /** Relative to the frame. */
  csumStart = 0;
  /** Relative to `csumStart`. */
  csumOffset = 0;
}

/** Reads the header before the frame at `off` (>= 10) into `into`. */
export function readVnet(bytes: Uint8Array, off: number, into: VnetHeader): void {
  const at = off - VNET_HDR_LENGTH;
  into.flags = bytes[at]!;
  into.gsoType = bytes[at + 1]!;
  into.hdrLen = bytes[at + 2]! | (bytes[at + 3]! << 8);
  into.gsoSize = bytes[at + 4]! | (bytes[at + 5]! << 8);
  into.csumStart = bytes[at + 6]! | (bytes[at + 7]! << 8);
  into.csumOffset = bytes[at + 8]! | (bytes[at + 9]! << 8);
}

/** Writes a header before the frame at `off`. */
export function writeVnet(
  bytes: Uint8Array,
  off: number,
  flags: number,
  gsoType: number,
  hdrLen: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  const at = off - VNET_HDR_LENGTH;
  bytes[at] = flags;
  bytes[at + 1] = gsoType;
  bytes[at + 2] = hdrLen;
  bytes[at + 3] = hdrLen >>> 8;
  bytes[at + 4] = gsoSize;
  bytes[at + 5] = gsoSize >>> 8;
  bytes[at + 6] = csumStart;
  bytes[at + 7] = csumStart >>> 8;
  bytes[at + 8] = csumOffset;
  bytes[at + 9] = csumOffset >>> 8;
}

/**
 * Notes before a frame that a capture cut (`FrameFlag.truncated`) how long it was on the wire: in the header, which
 * means nothing for such a frame and is written over before a device sees it.
 */
export function writeCut(bytes: Uint8Array, off: number, original: number): void {
  writeVnet(bytes, off, 0, 0, 0, 0, original, original >>> 16);
}

/** What `writeCut` noted. */
export function readCut(bytes: Uint8Array, off: number): number {
  const at = off - VNET_HDR_LENGTH + 6;
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Writes a header that says nothing: no partial checksum, no segmentation. */
export function clearVnet(bytes: Uint8Array, off: number): void {
  writeVnet(bytes, off, 0, 0, 0, 0, 0, 0);
}
