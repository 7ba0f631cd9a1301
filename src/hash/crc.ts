/**
 * CRC-32 (ISO-HDLC, as in Ethernet) and CRC-32C (Castagnoli), and the XOR hash of NICs that offer one.
 *
 * Promise: the catalogue values (`123456789` gives 0xcbf43926 and 0xe3069283) with the default start value
 * 0xffffffff; reflected, final XOR 0xffffffff. Pure functions over shared, immutable tables.
 */

/** Reflected polynomials. */
const ISO_HDLC = 0xedb88320;
const CASTAGNOLI = 0x82f63b78;

function crcTable(polynomial: number): Int32Array {
  const table = new Int32Array(256);
  for (let value = 0; value < 256; value++) {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[value] = crc;
  }
  return table;
}

const isoHdlcTable = crcTable(ISO_HDLC);
const castagnoliTable = crcTable(CASTAGNOLI);

function crcByTable(table: Int32Array, input: Uint8Array, start: number): number {
  let crc = start | 0;
  for (let i = 0; i < input.length; i++) crc = (crc >>> 8) ^ table[(crc ^ input[i]!) & 0xff]!;
  return ~crc;
}

/**
 * Bytes `from … to - 1` put into a CRC-32 (`crc32Part`) or CRC-32C (`crc32cPart`) register; begin with the start
 * value, invert at the end. For inputs that lie in pieces.
 */
export function crc32Part(crc: number, bytes: Uint8Array, from: number, to: number): number {
  let sum = crc;
  for (let i = from; i < to; i++) sum = (sum >>> 8) ^ isoHdlcTable[(sum ^ bytes[i]!) & 0xff]!;
  return sum;
}

export function crc32cPart(crc: number, bytes: Uint8Array, from: number, to: number): number {
  let sum = crc;
  for (let i = from; i < to; i++) sum = (sum >>> 8) ^ castagnoliTable[(sum ^ bytes[i]!) & 0xff]!;
  return sum;
}

/** XOR of bytes `from … to - 1` and of the start: an 8-bit hash (mlx5's XOR8). */
export function xor8Part(start: number, bytes: Uint8Array, from: number, to: number): number {
  let sum = start;
  for (let i = from; i < to; i++) sum ^= bytes[i]!;
  return sum;
}

function crcBitwise(polynomial: number, input: Uint8Array, start: number): number {
  let crc = start | 0;
  for (const byte of input) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return ~crc;
}

/** CRC-32; a signed 32-bit number. */
export function crc32(input: Uint8Array, start = 0xffffffff): number {
  return crcByTable(isoHdlcTable, input, start);
}

/** CRC-32C; a signed 32-bit number. */
export function crc32c(input: Uint8Array, start = 0xffffffff): number {
  return crcByTable(castagnoliTable, input, start);
}

/** CRC-32 without tables: the reference. */
export function crc32Bitwise(input: Uint8Array, start = 0xffffffff): number {
  return crcBitwise(ISO_HDLC, input, start);
}

/** CRC-32C without tables: the reference. */
export function crc32cBitwise(input: Uint8Array, start = 0xffffffff): number {
  return crcBitwise(CASTAGNOLI, input, start);
}

/** XOR of the big-endian 32-bit words, the last one padded with zeros, and of the start value. */
export function xorHash(input: Uint8Array, start = 0): number {
  let hash = start | 0;
  for (let i = 0; i < input.length; i++) hash ^= input[i]! << (24 - 8 * (i & 3));
  return hash;
}
