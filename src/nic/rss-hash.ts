/**
 * The hash part of RSS for a burst: type selection and Toeplitz, shared by every policy that hashes as a NIC does.
 *
 * Promise: writes hash (0 where nothing is hashed) and hashType of every frame; allocates nothing. One instance
 * belongs to one thread (it holds a two-word scratch).
 */
import { hex32, toHex } from '../hash/hex.js';
import { type Symmetric, TupleHash, tupleInput } from '../hash/tuple-hash.js';
import { type Burst, Field, Kind } from '../packet/burst.js';
import { findExAddresses } from '../packet/ipv6-ex.js';
import { Protocol } from '../packet/protocol.js';
import {
  type ExRule,
  HASH_TYPE_NAMES,
  HashType,
  type HashTypeName,
  hashesPorts,
  hashTypeBit,
  isExType,
  selectionByKind,
} from './hash-types.js';

/** What was hashed, for people. */
export interface HashDetails {
  readonly function: string;
  readonly type: HashTypeName;
  /** Input bytes (after a symmetric transform), plain hex. */
  readonly input: string;
  /** The key as the device uses it, plain hex. */
  readonly key: string;
  /** Start value, `0x` and 8 digits. */
  readonly init: string;
  readonly value: string;
}

export interface RssHashOptions {
  /** As the device uses it. */
  readonly key: Uint8Array;
  /** Mask of enabled hash types. */
  readonly types: number;
  readonly symmetric: Symmetric;
  readonly start: number;
  readonly exRule: ExRule;
  /** The device gives the low 16 bits in both halves (old ENA). */
  readonly isHalved?: boolean;
}

// This module's own constants, which V8 folds into the loop (see packet/dissect).
const KIND = Field.kind;
const L3 = Field.l3;
const L4 = Field.l4;
const HASH = Field.hash;
const HASH_TYPE = Field.hashType;
const GROUP = Kind.group;
const NONE = HashType.none;
const TCP_IPV4 = HashType.tcpIpv4;
const UDP_IPV4 = HashType.udpIpv4;

/** Types with IPv6 addresses. */
const IPV6_TYPES = 0x1f8;

/** Key bytes that hashing these types takes. */
export function keyBytesForTypes(types: number): number {
  return (types & IPV6_TYPES) !== 0 ? 40 : 16;
}

export class RssHash {
  readonly options: RssHashOptions;
  readonly tuple: TupleHash;
  readonly #select: Uint8Array;
  readonly #ex = new Int32Array(2);
  /** `Burst.kind` of the plain IPv4 packets whose ports are hashed without a transform; -1 where there are none. */
  readonly #plainTcp: number;
  readonly #plainUdp: number;
  readonly #isHalved: boolean;

  constructor(options: RssHashOptions) {
    this.options = options;
    this.tuple = new TupleHash(options.key, {
      symmetric: options.symmetric,
      start: options.start,
      ipv6: (options.types & IPV6_TYPES) !== 0,
    });
    this.#select = selectionByKind(options.types, options.exRule);
    const kindOf = (protocol: number, type: number) =>
      options.symmetric === 'none' && options.isHalved !== true && (options.types & hashTypeBit(type)) !== 0
        ? Kind.ipv4 | Kind.addresses | Kind.ports | (protocol << Kind.protocolShift)
        : -1;
    this.#isHalved = options.isHalved === true;
    this.#plainTcp = kindOf(Protocol.tcp, HashType.tcpIpv4);
    this.#plainUdp = kindOf(Protocol.udp, HashType.udpIpv4);
  }

  hashBurst(burst: Burst): void {
    const { n, bytes, words } = burst;
    const { table, start } = this.tuple.toeplitz;
    const plainTcp = this.#plainTcp;
    const plainUdp = this.#plainUdp;
    for (let i = 0; i < n; i++) {
      const kind = words[KIND + i]! & ~GROUP;
      // The two common types are spelled out: no table lookup for the type, no call that V8 might not inline.
      if (kind === plainTcp || kind === plainUdp) {
        const a = words[L3 + i]! + 12;
        const p = words[L4 + i]!;
        words[HASH + i] =
          start ^
          table[bytes[a]!]! ^
          table[256 | bytes[a + 1]!]! ^
          table[512 | bytes[a + 2]!]! ^
          table[768 | bytes[a + 3]!]! ^
          table[1024 | bytes[a + 4]!]! ^
          table[1280 | bytes[a + 5]!]! ^
          table[1536 | bytes[a + 6]!]! ^
          table[1792 | bytes[a + 7]!]! ^
          table[2048 | bytes[p]!]! ^
          table[2304 | bytes[p + 1]!]! ^
          table[2560 | bytes[p + 2]!]! ^
          table[2816 | bytes[p + 3]!]!;
        words[HASH_TYPE + i] = kind === plainTcp ? TCP_IPV4 : UDP_IPV4;
      } else {
        this.hashFrame(burst, i);
      }
    }
  }

  /** Hash and hash type of frame `i` alone; gives the hash. */
  hashFrame(burst: Burst, i: number): number {
    const { words } = burst;
    const type = this.#select[words[KIND + i]! & ~GROUP & 0xffff]!;
    words[HASH_TYPE + i] = type;
    let value = type === NONE ? 0 : this.#hashGeneral(burst, i, type);
    if (this.#isHalved) value = (value & 0xffff) | (value << 16);
    words[HASH + i] = value;
    return value;
  }

  /** Any type but none. */
  #hashGeneral(burst: Burst, i: number, type: number): number {
    const { bytes } = burst;
    const { tuple } = this;
    const ip = burst.l3[i]!;
    const ports = burst.l4[i]!;
    if (type <= HashType.udpIpv4) {
      const value = tuple.ipv4(bytes, ip + 12, ip + 16);
      return type === HashType.ipv4 ? value : value ^ tuple.ipv4Ports(bytes, ports);
    }
    let source = ip + 8;
    let destination = ip + 24;
    if (type >= HashType.ipv6Ex) {
      findExAddresses(burst, i, this.#ex);
      source = this.#ex[0]!;
      destination = this.#ex[1]!;
    }
    const value = tuple.ipv6(bytes, source, destination);
    return type === HashType.ipv6 || type === HashType.ipv6Ex ? value : value ^ tuple.ipv6Ports(bytes, ports);
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
