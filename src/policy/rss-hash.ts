/**
 * The hash part of RSS for a burst: type selection and Toeplitz, shared by every policy that hashes as a NIC does.
 *
 * Promise: writes hash (0 where nothing is hashed) and hashType of every frame; allocates nothing. One instance
 * belongs to one thread (it holds a two-word scratch).
 */
import { hex32, toHex } from '../hash/hex.js';
import { type Symmetric, TupleHash, tupleInput } from '../hash/tuple-hash.js';
import {
  type ExRule,
  HASH_TYPE_NAMES,
  HashType,
  hashesPorts,
  isExType,
  selectionIndex,
  selectionTable,
} from '../nic/hash-types.js';
import { type Burst, Kind } from '../packet/burst.js';
import { findExAddresses } from '../packet/ipv6-ex.js';
import type { HashDetails } from './steering.js';

export interface RssHashOptions {
  /** As the device uses it. */
  readonly key: Uint8Array;
  /** Mask of enabled hash types. */
  readonly types: number;
  readonly symmetric: Symmetric;
  readonly start: number;
  readonly exRule: ExRule;
}

/** Types with IPv6 addresses. */
const IPV6_TYPES = 0x1f8;

/** Key bytes that hashing these types takes. */
export function keyBytesForTypes(types: number): number {
  return (types & IPV6_TYPES) !== 0 ? 40 : 16;
}

export class RssHash {
  readonly options: RssHashOptions;
  readonly tuple: TupleHash;
  readonly #select: Int32Array;
  readonly #ex = new Int32Array(2);

  constructor(options: RssHashOptions) {
    this.options = options;
    this.tuple = new TupleHash(options.key, {
      symmetric: options.symmetric,
      start: options.start,
      ipv6: (options.types & IPV6_TYPES) !== 0,
    });
    this.#select = selectionTable(options.types, options.exRule);
  }

  hashBurst(burst: Burst): void {
    const { n, bytes, kind, l3, l4, hash, hashType } = burst;
    const { tuple } = this;
    const select = this.#select;
    for (let i = 0; i < n; i++) {
      const type = select[selectionIndex(kind[i]!)]!;
      const ip = l3[i]!;
      let value = 0;
      // The three groups of types, most frequent first; a fragment or odd protocol differs by the ports only.
      if (type >= HashType.ipv4 && type <= HashType.udpIpv4) {
        value = tuple.ipv4(bytes, ip + 12, ip + 16);
        if (type !== HashType.ipv4) value ^= tuple.ipv4Ports(bytes, l4[i]!);
      } else if (type >= HashType.ipv6 && type <= HashType.udpIpv6) {
        value = tuple.ipv6(bytes, ip + 8, ip + 24);
        if (type !== HashType.ipv6) value ^= tuple.ipv6Ports(bytes, l4[i]!);
      } else if (type !== HashType.none) {
        findExAddresses(burst, i, this.#ex);
        value = tuple.ipv6(bytes, this.#ex[0]!, this.#ex[1]!);
        if (type !== HashType.ipv6Ex) value ^= tuple.ipv6Ports(bytes, l4[i]!);
      }
      hash[i] = value;
      hashType[i] = type;
    }
  }

  /** The input bytes of frame `i`, which `hashBurst` gave a type; null where nothing was hashed. */
  input(burst: Burst, i: number): Uint8Array | null {
    const type = burst.hashType[i]!;
    if (type === HashType.none) return null;
    const { bytes } = burst;
    const version4 = (burst.kind[i]! & Kind.ipMask) === Kind.ipv4;
    const size = version4 ? 4 : 16;
    let source = burst.l3[i]! + (version4 ? 12 : 8);
    let destination = source + size;
    if (isExType(type)) {
      findExAddresses(burst, i, this.#ex);
      source = this.#ex[0]!;
      destination = this.#ex[1]!;
    }
    const l4 = burst.l4[i]!;
    return tupleInput(
      bytes.slice(source, source + size),
      bytes.slice(destination, destination + size),
      hashesPorts(type) ? bytes.slice(l4, l4 + 4) : null,
      this.options.symmetric,
    );
  }

  /** What was hashed for frame `i`, for people. */
  details(burst: Burst, i: number): HashDetails | null {
    const input = this.input(burst, i);
    if (input === null) return null;
    return {
      function: 'toeplitz',
      type: HASH_TYPE_NAMES[burst.hashType[i]!]!,
      input: toHex(input),
      key: toHex(this.options.key),
      init: hex32(this.options.start),
      value: hex32(burst.hash[i]!),
    };
  }
}
