/**
 * The Internet checksum (RFC 1071) and SCTP's CRC32C (RFC 9260, appendix A) over bytes of the frame pool.
 *
 * Promise: pure functions on a byte array; nothing outside the given range is read, nothing is allocated per
 * call. Partial sums are folded to 16 bits, in network byte order, so that they can be added to each other; a sum
 * of pieces is only right when every piece but the last has an even length.
 */

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Below this the byte loop is as fast as the set-up of the word loop. */
const WORDS_FROM = 32;
/** 32-bit words whose halves can be summed without leaving 31 bits: 32,767 * 65,535 < 2^31. */
const WORDS_AT_ONCE = 32_767;

// The 32-bit view of the byte array seen last. The data plane has one pool, so this is made once; a weak
// reference would cost more than the sum of a short header.
let wordsOf: Uint8Array | null = null;
let words: Int32Array = new Int32Array(0);

/** Adds the carries back in: a value below 2^32 becomes 16 bits. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * One's complement sum of `len` bytes as big-endian 16-bit words (an odd last byte is the high half of a word),
 * plus `sum` (a folded partial sum). Folded.
 */
export function sum16(bytes: Uint8Array, off: number, len: number, sum = 0): number {
  let at = off;
  let left = len;
  let total = sum;
  if (left >= WORDS_FROM && LITTLE_ENDIAN && (bytes.byteOffset & 3) === 0) {
    if (wordsOf !== bytes) {
      wordsOf = bytes;
      words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    }
    const view = words;
    // Sums in memory order; the bytes of the result are exchanged at the end (RFC 1071, 2.B). What lies before
    // the first aligned word is summed as if it were that word's upper part.
    let memory = 0;
    for (; (at & 3) !== 0; at++, left--) memory += (at & 1) === 0 ? bytes[at]! : bytes[at]! << 8;
    let index = at >> 2;
    let count = left >> 2;
    at += count << 2;
    left &= 3;
    while (count > 0) {
      const end = index + Math.min(count, WORDS_AT_ONCE);
      count -= end - index;
      let low = 0;
      let high = 0;
      for (; index < end; index++) {
        const word = view[index]!;
        low += word & 0xffff;
        high += word >>> 16;
      }
      memory = foldSum(memory) + foldSum(low) + foldSum(high);
    }
    for (; left > 0; at++, left--) memory += (at & 1) === 0 ? bytes[at]! : bytes[at]! << 8;
    memory = foldSum(memory);
    // From an odd address the first byte, a high half, already lies in the upper byte.
    return foldSum(total + ((off & 1) === 0 ? ((memory & 0xff) << 8) | (memory >>> 8) : memory));
  }
  for (; left >= 2; at += 2, left -= 2) {
    total += (bytes[at]! << 8) | bytes[at + 1]!;
    if (total > 0x3fffffff) total = foldSum(total);
  }
  if (left === 1) total += bytes[at]! << 8;
  return foldSum(total);
}

/** The checksum to store for `len` bytes whose checksum field is zero; 0 over bytes that carry a right checksum. */
export function internetChecksum(bytes: Uint8Array, off: number, len: number): number {
  return sum16(bytes, off, len) ^ 0xffff;
}

/** Pseudo header of IPv4 (RFC 9293, 3.1): the addresses of the header at `l3`, `protocol`, `length` of the segment. */
export function pseudoSum4(bytes: Uint8Array, l3: number, protocol: number, length: number): number {
  return foldSum(sum16(bytes, l3 + 12, 8) + protocol + foldSum(length));
}

/** Pseudo header of IPv6 (RFC 8200, 8.1) with the addresses of the fixed header at `l3`. */
export function pseudoSum6(bytes: Uint8Array, l3: number, protocol: number, length: number): number {
  return foldSum(sum16(bytes, l3 + 8, 32) + protocol + foldSum(length));
}

/** Writes a 16-bit value in network byte order. */
export function putUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Computes and stores the header checksum of the IPv4 header of `headerLength` bytes at `l3`. */
export function storeIpv4Checksum(bytes: Uint8Array, l3: number, headerLength: number): void {
  putUint16(bytes, l3 + 10, 0);
  putUint16(bytes, l3 + 10, internetChecksum(bytes, l3, headerLength));
}

const CRC32C = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  CRC32C[i] = value;
}

/** CRC32C of SCTP as an unsigned number; SCTP stores it least significant byte first. */
export function sctpCrc(bytes: Uint8Array, off: number, len: number): number {
  let crc = -1;
  for (let i = off, end = off + len; i < end; i++) crc = CRC32C[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** `csum_offset` of SCTP: its checksum is a CRC32C, not the Internet checksum. */
export const SCTP_CSUM_OFFSET = 8;

/** Outcome of `completeChecksum`. */
export const ChecksumResult = {
  done: 0,
  /** The checksum field or the start lies outside the frame: nothing was written. */
  outside: -1,
} as const;

/**
 * Finishes a partial checksum (`VIRTIO_NET_HDR_F_NEEDS_CSUM`): sums from `start` (relative to the frame) to the
 * frame's end, with the pseudo header's sum that is already in the field, and stores the result at `start` +
 * `offset`. A result of 0 is stored as 0xffff: UDP reads 0 as "no checksum", for all others the two are equal
 * (the kernel's skb_checksum_help does the same). With SCTP's offset a CRC32C is stored instead
 * (skb_crc32c_csum_help).
 *
 * Ethernet padding behind the IP packet must be zero or cut off by the caller: the kernel, too, sums to the end.
 */
export function completeChecksum(
  bytes: Uint8Array,
  off: number,
  len: number,
  start: number,
  offset: number,
): number {
  const width = offset === SCTP_CSUM_OFFSET ? 4 : 2;
  if (start < 0 || offset < 0 || start + offset + width > len) return ChecksumResult.outside;
  const at = off + start + offset;
  if (offset === SCTP_CSUM_OFFSET) {
    bytes[at] = 0;
    bytes[at + 1] = 0;
    bytes[at + 2] = 0;
    bytes[at + 3] = 0;
    const crc = sctpCrc(bytes, off + start, len - start);
    bytes[at] = crc;
    bytes[at + 1] = crc >>> 8;
    bytes[at + 2] = crc >>> 16;
    bytes[at + 3] = crc >>> 24;
    return ChecksumResult.done;
  }
  const checksum = internetChecksum(bytes, off + start, len - start);
  putUint16(bytes, at, checksum === 0 ? 0xffff : checksum);
  return ChecksumResult.done;
}
