/**
 * Generic netlink messages: made and taken apart.
 *
 * Promise: only what the doctor asks; what is cut short ends the walk. The byte order is the machine's, which is little
 * endian on everything that Node runs on but s390x; it is looked at once. Pure.
 *
 * Source: include/uapi/linux/netlink.h, genetlink.h.
 */
import { endianness } from 'node:os';

export const NETLINK_GENERIC = 16;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
const HEADER = 16;
const GENL_HEADER = 4;
const TYPE_MASK = 0x3fff;

export const LITTLE = endianness() === 'LE';

/** One attribute of a message. */
export interface Attribute {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** A message of a family: command, version 1, attributes. */
export function genlMessage(
  family: number,
  command: number,
  flags: number,
  attributes: readonly Attribute[],
): Uint8Array {
  const size = attributes.reduce((sum, { bytes }) => sum + align(4 + bytes.length), HEADER + GENL_HEADER);
  const message = new Uint8Array(size);
  const view = new DataView(message.buffer);
  view.setUint32(0, size, LITTLE);
  view.setUint16(4, family, LITTLE);
  view.setUint16(6, NLM_F_REQUEST | (flags === 0 ? NLM_F_ACK : flags), LITTLE);
  view.setUint32(8, 1, LITTLE);
  message[HEADER] = command;
  message[HEADER + 1] = 1;
  let at = HEADER + GENL_HEADER;
  for (const { type, bytes } of attributes) {
    view.setUint16(at, 4 + bytes.length, LITTLE);
    view.setUint16(at + 2, type, LITTLE);
    message.set(bytes, at + 4);
    at += align(4 + bytes.length);
  }
  return message;
}

/** Attributes of a reply (its headers included). */
export function replyAttributes(message: Uint8Array): Map<number, Uint8Array> {
  return attributesOf(message.subarray(HEADER + GENL_HEADER));
}

/** Attributes in a range; of several with one number the last. */
export function attributesOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, LITTLE);
    if (length < 4 || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, LITTLE) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** A number of 1, 2, 4 or 8 bytes; undefined where there is none. */
export function numberOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (bytes.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, LITTLE);
    case 4:
      return view.getUint32(0, LITTLE);
    case 8:
      return Number(view.getBigUint64(0, LITTLE));
    default:
      return undefined;
  }
}

/** A 32-bit number as an attribute. */
export function u32(type: number, value: number): Attribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, LITTLE);
  return { type, bytes };
}

/** A text with its zero byte as an attribute. */
export function text(type: number, value: string): Attribute {
  return { type, bytes: new TextEncoder().encode(`${value}\0`) };
}

function align(size: number): number {
  return (size + 3) & ~3;
}
