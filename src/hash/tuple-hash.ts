/**
 * Toeplitz over the addresses and ports of packets, straight from the frame pool.
 *
 * Promise: the same value as building the input bytes of `tupleInput()` and hashing them; nothing is copied or
 * allocated; immutable, so that everything in a thread may share one object.
 *
 * Input order (Microsoft; Intel 82575EB manual): source address, destination address, source port, destination
 * port, as on the wire. The symmetric transforms change the input first (Linux networking/scaling document, DPDK
 * rte_ethdev.h): `xor` = (S^D, S^D, sp^dp, sp^dp), `or-xor` = (S|D, S^D, sp|dp, sp^dp), `sort` = smaller first,
 * addresses and ports each on their own.
 */
import { keyBytesFor, Toeplitz } from './toeplitz.js';

/** Input transforms that give a flow and its reverse one hash, and `none`. */
export const SYMMETRIC = ['none', 'xor', 'or-xor', 'sort'] as const;
/** One of `SYMMETRIC`. */
export type Symmetric = (typeof SYMMETRIC)[number];

/** Bytes of addresses and ports together: what a key must cover. */
export const IPV4_TUPLE_BYTES = 12;
export const IPV6_TUPLE_BYTES = 36;

/**
 * Hashes addresses and ports where they lie in a frame. Addresses and ports are added with XOR (the hash is
 * linear).
 */
export class TupleHash {
  readonly toeplitz: Toeplitz;
  readonly symmetric: Symmetric;
  readonly #table: Int32Array;
  readonly #start: number;
  /** For `xor`: the same difference enters twice, so both tables are folded into one of half the length. */
  readonly #folded4: Int32Array;
  readonly #folded6: Int32Array;
  readonly #foldedPorts4: Int32Array;
  readonly #foldedPorts6: Int32Array;

  /** @throws UserError for a key below 40 bytes when `ipv6` is set, below 16 when it is not. */
  constructor(key: Uint8Array, options: { symmetric?: Symmetric; start?: number; ipv6?: boolean } = {}) {
    const inputBytes = options.ipv6 === false ? IPV4_TUPLE_BYTES : IPV6_TUPLE_BYTES;
    this.toeplitz = new Toeplitz(key, inputBytes, options.start ?? 0);
    this.symmetric = options.symmetric ?? 'none';
    this.#table = this.toeplitz.table;
    this.#start = this.toeplitz.start;
    const fold = this.symmetric === 'xor';
    this.#folded4 = fold ? folded(this.#table, 0, 4, 4) : new Int32Array(0);
    this.#foldedPorts4 = fold ? folded(this.#table, 8, 2, 2) : new Int32Array(0);
    const fold6 = fold && options.ipv6 !== false;
    this.#folded6 = fold6 ? folded(this.#table, 0, 16, 16) : new Int32Array(0);
    this.#foldedPorts6 = fold6 ? folded(this.#table, 32, 2, 2) : new Int32Array(0);
  }

  /** Two IPv4 addresses at `s` and `d`; a signed 32-bit number. */
  ipv4(bytes: Uint8Array, s: number, d: number): number {
    const t = this.#table;
    if (this.symmetric === 'none') {
      return (
        this.#start ^
        t[bytes[s]!]! ^
        t[256 | bytes[s + 1]!]! ^
        t[512 | bytes[s + 2]!]! ^
        t[768 | bytes[s + 3]!]! ^
        t[1024 | bytes[d]!]! ^
        t[1280 | bytes[d + 1]!]! ^
        t[1536 | bytes[d + 2]!]! ^
        t[1792 | bytes[d + 3]!]!
      );
    }
    return this.#start ^ this.#symmetricPair(bytes, s, d, 4, 0, this.#folded4);
  }

  /** What the ports at `p` … `p + 3` add to an IPv4 hash (the hash is linear). */
  ipv4Ports(bytes: Uint8Array, p: number): number {
    const t = this.#table;
    if (this.symmetric === 'none') {
      return (
        t[2048 | bytes[p]!]! ^ t[2304 | bytes[p + 1]!]! ^ t[2560 | bytes[p + 2]!]! ^ t[2816 | bytes[p + 3]!]!
      );
    }
    return this.#symmetricPair(bytes, p, p + 2, 2, 8, this.#foldedPorts4);
  }

  /** Two IPv6 addresses at `s` and `d`; a signed 32-bit number. */
  ipv6(bytes: Uint8Array, s: number, d: number): number {
    if (this.symmetric !== 'none') {
      return this.#start ^ this.#symmetricPair(bytes, s, d, 16, 0, this.#folded6);
    }
    const t = this.#table;
    let hash = this.#start;
    for (let i = 0, base = 0; i < 16; i++, base += 256) {
      hash ^= t[base | bytes[s + i]!]! ^ t[(base + 4096) | bytes[d + i]!]!;
    }
    return hash;
  }

  /** What the ports at `p` … `p + 3` add to an IPv6 hash. */
  ipv6Ports(bytes: Uint8Array, p: number): number {
    const t = this.#table;
    if (this.symmetric === 'none') {
      return (
        t[8192 | bytes[p]!]! ^ t[8448 | bytes[p + 1]!]! ^ t[8704 | bytes[p + 2]!]! ^ t[8960 | bytes[p + 3]!]!
      );
    }
    return this.#symmetricPair(bytes, p, p + 2, 2, 32, this.#foldedPorts6);
  }

  /** Both MAC addresses of the Ethernet header at `at`, as on the wire (with `sort` the smaller one first). */
  macs(bytes: Uint8Array, at: number): number {
    return this.#start ^ this.#symmetricPair(bytes, at, at + 6, 6, 0, this.#folded4);
  }

  /** Contribution of a pair of fields of `width` bytes at `a` and `b`, whose input positions start at `position`. */
  #symmetricPair(
    bytes: Uint8Array,
    a: number,
    b: number,
    width: number,
    position: number,
    foldedTable: Int32Array,
  ): number {
    let hash = 0;
    if (this.symmetric === 'xor') {
      for (let i = 0; i < width; i++) hash ^= foldedTable[(i << 8) | (bytes[a + i]! ^ bytes[b + i]!)]!;
      return hash;
    }
    const t = this.#table;
    const first = position << 8;
    const second = (position + width) << 8;
    if (this.symmetric === 'or-xor') {
      for (let i = 0; i < width; i++) {
        const x = bytes[a + i]!;
        const y = bytes[b + i]!;
        hash ^= t[first + ((i << 8) | x | y)]! ^ t[second + ((i << 8) | (x ^ y))]!;
      }
      return hash;
    }
    const swap = this.symmetric === 'sort' && isGreater(bytes, a, b, width);
    const low = swap ? b : a;
    const high = swap ? a : b;
    for (let i = 0; i < width; i++) {
      hash ^= t[first + ((i << 8) | bytes[low + i]!)]! ^ t[second + ((i << 8) | bytes[high + i]!)]!;
    }
    return hash;
  }
}

/** True when the big-endian number at `a` exceeds the one at `b`. */
function isGreater(bytes: Uint8Array, a: number, b: number, width: number): boolean {
  for (let i = 0; i < width; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Tables of positions p and p + distance XORed, for `width` positions. */
function folded(table: Int32Array, position: number, width: number, distance: number): Int32Array {
  const result = new Int32Array(256 * width);
  const first = position << 8;
  const second = (position + distance) << 8;
  for (let i = 0; i < result.length; i++) result[i] = table[first + i]! ^ table[second + i]!;
  return result;
}

/** Applies a symmetric transform to the two fields of a pair; the result is the hash input for that pair. */
function transformPair(symmetric: Symmetric, a: Uint8Array, b: Uint8Array): Uint8Array[] {
  const xor = a.map((byte, i) => byte ^ b[i]!);
  if (symmetric === 'xor') return [xor, xor];
  if (symmetric === 'or-xor') return [a.map((byte, i) => byte | b[i]!), xor];
  if (symmetric === 'sort') return Buffer.compare(a, b) > 0 ? [b, a] : [a, b];
  return [a, b];
}

/** The input bytes that a tuple stands for, for explanations and tests. Ports are 4 bytes, or absent. */
export function tupleInput(
  source: Uint8Array,
  destination: Uint8Array,
  ports: Uint8Array | null,
  symmetric: Symmetric,
): Uint8Array {
  const parts = transformPair(symmetric, source, destination);
  if (ports !== null) parts.push(...transformPair(symmetric, ports.slice(0, 2), ports.slice(2, 4)));
  return new Uint8Array(Buffer.concat(parts));
}

/** Key bytes that hashing IPv4 and IPv6 tuples takes. */
export const TUPLE_KEY_BYTES = keyBytesFor(IPV6_TUPLE_BYTES);
