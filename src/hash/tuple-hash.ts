/**
 * Toeplitz over the addresses and ports of packets, straight from the frame pool.
 *
 * Promise: the same value as building the input bytes of `tupleInput()` and hashing them; nothing is copied or
 * allocated (but a view, where the methods for bytes meet a new array); everything in a thread may share one object.
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

// Where each field's tables start: 256 entries for each byte before it.
const IPV4_PORTS = 256 * 8;
const IPV6_DESTINATION = 256 * 16;
const IPV6_PORTS = 256 * 32;

/** What the four bytes of a word add to a hash, the first of them at position `base / 256` of the input. */
export const add4 = (table: Int32Array, base: number, word: number): number =>
  table[base + (word >>> 24)]! ^
  table[base + 256 + ((word >>> 16) & 255)]! ^
  table[base + 512 + ((word >>> 8) & 255)]! ^
  table[base + 768 + (word & 255)]!;

/** The loop of `TupleHash.ipv4Tuples`, alone in a function: with another beside it V8 calls `add4`, at twice the time. */
function addIpv4Tuples(
  table: Int32Array,
  start: number,
  view: DataView,
  at: number,
  count: number,
  out: Int32Array,
): void {
  for (let i = 0, s = at; i < count; i++, s += IPV4_TUPLE_BYTES) {
    out[i] =
      start ^
      add4(table, 0, view.getInt32(s)) ^
      add4(table, 1024, view.getInt32(s + 4)) ^
      add4(table, IPV4_PORTS, view.getInt32(s + 8));
  }
}

/** The two ports of a word after a transform. */
function transformPorts(mode: number, ports: number): number {
  const source = ports >>> 16;
  const destination = ports & 0xffff;
  if (mode === XOR) return Math.imul(source ^ destination, 0x10001);
  if (mode === OR_XOR) return ((source | destination) << 16) | (source ^ destination);
  if (mode === SORT && source > destination) return (destination << 16) | source;
  return ports;
}

/** True when the big-endian number of `words` words at `a` exceeds the one at `b`. */
function isGreater(view: DataView, a: number, b: number, words: number): boolean {
  for (let i = 0; i < 4 * words; i += 4) {
    const x = view.getUint32(a + i);
    const y = view.getUint32(b + i);
    if (x !== y) return x > y;
  }
  return false;
}

// Numbers of the transforms: their indices in `SYMMETRIC`.
const XOR = 1;
const OR_XOR = 2;
const SORT = 3;

/**
 * Hashes addresses and ports where they lie in a frame. Addresses and ports are added with XOR (the hash is
 * linear).
 *
 * The methods named `…At` read 32-bit words of a DataView: a quarter of the loads and bounds checks of reading bytes
 * (5.8 instead of 7.7 ns for an IPv4 tuple). Offsets beyond the view throw RangeError.
 */
export class TupleHash {
  readonly toeplitz: Toeplitz;
  readonly symmetric: Symmetric;
  readonly #table: Int32Array;
  readonly #start: number;
  readonly #mode: number;
  /** The array that was hashed from last, and its view. */
  #bytes: Uint8Array | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** @throws UserError for a key below 40 bytes when `ipv6` is set, below 16 when it is not. */
  constructor(key: Uint8Array, options: { symmetric?: Symmetric; start?: number; ipv6?: boolean } = {}) {
    const inputBytes = options.ipv6 === false ? IPV4_TUPLE_BYTES : IPV6_TUPLE_BYTES;
    this.toeplitz = new Toeplitz(key, inputBytes, options.start ?? 0);
    this.symmetric = options.symmetric ?? 'none';
    this.#table = this.toeplitz.table;
    this.#start = this.toeplitz.start;
    this.#mode = SYMMETRIC.indexOf(this.symmetric);
  }

  /** Two IPv4 addresses at `s` and `d`; a signed 32-bit number. */
  ipv4(bytes: Uint8Array, s: number, d: number): number {
    return this.ipv4At(this.#viewOf(bytes), s, d);
  }

  /** What the ports at `p` … `p + 3` add to an IPv4 hash (the hash is linear). */
  ipv4Ports(bytes: Uint8Array, p: number): number {
    return this.ipv4PortsAt(this.#viewOf(bytes), p);
  }

  /** Two IPv6 addresses at `s` and `d`; a signed 32-bit number. */
  ipv6(bytes: Uint8Array, s: number, d: number): number {
    return this.ipv6At(this.#viewOf(bytes), s, d);
  }

  /** What the ports at `p` … `p + 3` add to an IPv6 hash. */
  ipv6Ports(bytes: Uint8Array, p: number): number {
    return this.ipv6PortsAt(this.#viewOf(bytes), p);
  }

  /** See `ipv4`. */
  ipv4At(view: DataView, s: number, d: number): number {
    const t = this.#table;
    const mode = this.#mode;
    let a = view.getInt32(s);
    let b = view.getInt32(d);
    if (mode !== 0) {
      const x = a;
      const y = b;
      if (mode === SORT) {
        if (x >>> 0 > y >>> 0) {
          a = y;
          b = x;
        }
      } else {
        b = x ^ y;
        a = mode === XOR ? b : x | y;
      }
    }
    return this.#start ^ add4(t, 0, a) ^ add4(t, 1024, b);
  }

  /** See `ipv4Ports`. */
  ipv4PortsAt(view: DataView, p: number): number {
    const ports = view.getInt32(p);
    const mode = this.#mode;
    return add4(this.#table, IPV4_PORTS, mode === 0 ? ports : transformPorts(mode, ports));
  }

  /**
   * Hashes of `count` IPv4 tuples that lie one behind the other from `at` on, 12 bytes each, into `out`. The loop of a
   * burst: what `ipv4At` reads of the object for each tuple is read once.
   */
  ipv4Tuples(view: DataView, at: number, count: number, out: Int32Array): void {
    const t = this.#table;
    const start = this.#start;
    if (this.#mode === 0) {
      addIpv4Tuples(t, start, view, at, count, out);
      return;
    }
    for (let i = 0, s = at; i < count; i++, s += IPV4_TUPLE_BYTES) {
      out[i] = this.ipv4At(view, s, s + 4) ^ this.ipv4PortsAt(view, s + 8);
    }
  }

  /** See `ipv6`. */
  ipv6At(view: DataView, s: number, d: number): number {
    const t = this.#table;
    const mode = this.#mode;
    let hash = this.#start;
    if (mode === SORT && isGreater(view, s, d, 4)) {
      const larger = s;
      s = d;
      d = larger;
    }
    for (let i = 0, base = 0; i < 16; i += 4, base += 1024) {
      let a = view.getInt32(s + i);
      let b = view.getInt32(d + i);
      if (mode === XOR || mode === OR_XOR) {
        const x = a;
        a = mode === XOR ? x ^ b : x | b;
        b = x ^ b;
      }
      hash ^= add4(t, base, a) ^ add4(t, base + IPV6_DESTINATION, b);
    }
    return hash;
  }

  /** See `ipv6Ports`. */
  ipv6PortsAt(view: DataView, p: number): number {
    const ports = view.getInt32(p);
    const mode = this.#mode;
    return add4(this.#table, IPV6_PORTS, mode === 0 ? ports : transformPorts(mode, ports));
  }

  /**
   * Both MAC addresses of the Ethernet header at `at`, as on the wire, with `sort` the smaller one first. The other
   * transforms are defined for IP only and are not applied.
   */
  macsAt(view: DataView, at: number): number {
    const x = view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
    const y = view.getUint16(at + 6) * 0x1_0000_0000 + view.getUint32(at + 8);
    const swap = this.#mode === SORT && x > y;
    const a = swap ? at + 6 : at;
    const b = swap ? at : at + 6;
    const t = this.#table;
    const middle = (view.getUint16(a + 4) << 16) | view.getUint16(b);
    return (
      this.#start ^ add4(t, 0, view.getInt32(a)) ^ add4(t, 1024, middle) ^ add4(t, 2048, view.getInt32(b + 2))
    );
  }

  #viewOf(bytes: Uint8Array): DataView {
    if (this.#bytes !== bytes) {
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#bytes = bytes;
    }
    return this.#view;
  }
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
