/**
 * The hash part of RSS for a burst: type selection and Toeplitz, shared by every policy that hashes as a NIC does.
 *
 * Promise: writes hash (0 where nothing is hashed) and hashType of every frame; allocates nothing, but for what a
 * kernel binds when it meets a burst object for the first time. The values are the same whatever computes them. One
 * instance belongs to one thread (it holds a two-word scratch).
 */
import { crc32cPart, crc32Part, xor8Part } from '../hash/crc.js';
import { hex32, toHex } from '../hash/hex.js';
import { type BoundKernel, type HashKernels, KernelWord } from '../hash/kernel.js';
import { add4, type Symmetric, TupleHash, tupleInput } from '../hash/tuple-hash.js';
import { BURST_COUNT, BURST_MAX, type Burst, Field, Kind } from '../packet/burst.js';
import { findExAddresses } from '../packet/ipv6-ex.js';
import { Protocol } from '../packet/protocol.js';
import {
  type ExRule,
  type FragmentRule,
  HASH_TYPE_NAMES,
  HashType,
  type HashTypeName,
  hashesPorts,
  hashTypeBit,
  isExType,
  isIpv4Type,
  selectionByKind,
} from './hash-types.js';
import { hashIpv6Frames } from './ipv6-tables.js';
import type { TargetTable } from './target-table.js';

/** What was hashed, for people. */
export interface HashDetails {
  readonly function: string;
  readonly type: HashTypeName;
  /** Input bytes (after a symmetric transform), plain hex. */
  readonly input: string;
  /** The key as the device uses it, plain hex; null for functions without one. */
  readonly key: string | null;
  /** Start value, `0x` and 8 digits. */
  readonly init: string;
  readonly value: string;
}

/**
 * Hash functions of NICs. `crc32` and `crc32c`: the catalogue's CRCs over the input bytes; `xor8`: the XOR of all
 * input bytes, 8 bits (mlx5). No published values of them as RSS functions are known.
 */
export const RSS_FUNCTIONS = ['toeplitz', 'crc32c', 'crc32', 'xor8'] as const;
export type RssFunction = (typeof RSS_FUNCTIONS)[number];

export interface RssHashOptions {
  /** As the device uses it. */
  readonly key: Uint8Array;
  /** Mask of enabled hash types. */
  readonly types: number;
  readonly symmetric: Symmetric;
  readonly start: number;
  readonly exRule: ExRule;
  /** Default `ip`. */
  readonly fragmentRule?: FragmentRule;
  /** The device gives the low 16 bits in both halves (old ENA). */
  readonly isHalved?: boolean;
  /** Default Toeplitz; the others have neither key nor symmetric transform. */
  readonly function?: RssFunction;
  /** Hashes bursts natively from `leastFrames` frames on; default: tables always. */
  readonly kernels?: HashKernels | null;
}

// Constants of the module: docs/hot-loops.md.
const FRAMES = BURST_COUNT;
const KIND = Field.kind;
const L3 = Field.l3;
const L4 = Field.l4;
const HASH = Field.hash;
const HASH_TYPE = Field.hashType;
const GROUP = Kind.group;
const NONE = HashType.none;
const TCP_IPV4 = HashType.tcpIpv4;
const UDP_IPV4 = HashType.udpIpv4;
const FRAG_IPV4 = HashType.fragIpv4;
const FRAG_IPV6 = HashType.fragIpv6;
const TCP_IPV6 = HashType.tcpIpv6;
const UDP_IPV6 = HashType.udpIpv6;
const IPV4 = HashType.ipv4;
const IPV6 = HashType.ipv6;
const IPV6_EX = HashType.ipv6Ex;
const MAC = HashType.mac;
const COUNT = KernelWord.count;
const LEFT = KernelWord.left;
const LIST = KernelWord.list;

// Imported functions are checked for every call whether they still are the same; constants are not.
const add = add4;

/** Indices of frames that wait for a loop of their own; of this thread, in use during a call. */
const ipv6Frames = new Int32Array(BURST_MAX);
const otherFrames = new Int32Array(BURST_MAX);
const LAST = BURST_MAX - 1;

/** Types with IPv6 addresses. */
const IPV6_TYPES = 0x1f8 | hashTypeBit(FRAG_IPV6);

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
  /** The same of IPv6 without extension headers. */
  readonly #plainTcp6: number;
  readonly #plainUdp6: number;
  readonly #isHalved: boolean;
  readonly #function: RssFunction;
  readonly #kernels: HashKernels | null;
  /** Bursts of so many frames go to the kernel; more than any has where there is none. */
  readonly #kernelFrom: number;
  /** The burst object that was hashed last, its kernel, and those of others. */
  #burst: Burst | null = null;
  #kernel: BoundKernel | null = null;
  readonly #bound = new WeakMap<Burst, BoundKernel>();

  /** Kernels look up the table too. */
  readonly #isTableNative: boolean;

  /** @param targets what `steerBurst` looks up; it may change its entries, not their number. */
  constructor(
    options: RssHashOptions,
    readonly targets: TargetTable | null = null,
  ) {
    this.options = options;
    this.tuple = new TupleHash(options.key, {
      symmetric: options.symmetric,
      start: options.start,
      ipv6: (options.types & IPV6_TYPES) !== 0,
    });
    this.#function = options.function ?? 'toeplitz';
    this.#select = selectionByKind(options.types, options.exRule, options.fragmentRule);
    const kindOf = (version: number, protocol: number, type: number) =>
      this.#function === 'toeplitz' &&
      options.symmetric === 'none' &&
      options.isHalved !== true &&
      (options.types & hashTypeBit(type)) !== 0
        ? version | Kind.addresses | Kind.ports | (protocol << Kind.protocolShift)
        : -1;
    this.#isHalved = options.isHalved === true;
    this.#plainTcp = kindOf(Kind.ipv4, Protocol.tcp, HashType.tcpIpv4);
    this.#plainUdp = kindOf(Kind.ipv4, Protocol.udp, HashType.udpIpv4);
    this.#plainTcp6 = kindOf(Kind.ipv6, Protocol.tcp, HashType.tcpIpv6);
    this.#plainUdp6 = kindOf(Kind.ipv6, Protocol.udp, HashType.udpIpv6);
    this.#kernels = this.#function === 'toeplitz' ? (options.kernels ?? null) : null;
    this.#kernelFrom = this.#kernels?.leastFrames ?? BURST_MAX + 1;
    this.#isTableNative = targets?.isMasked === true;
  }

  /** Name of the kernel that hashes a burst of `frames`; `table` for the byte tables. */
  implementation(frames: number): string {
    return frames >= this.#kernelFrom ? this.#kernels!.name : 'table';
  }

  hashBurst(burst: Burst): void {
    if (burst.n >= this.#kernelFrom) this.#hashByKernel(burst);
    else this.#hashByTables(burst);
  }

  /** `hashBurst`, and bucket, rxq and worker of every frame by `targets`. */
  steerBurst(burst: Burst): void {
    this.hashBurst(burst);
    if (burst.n < this.#kernelFrom || !this.#isTableNative) this.targets!.lookBurst(burst);
  }

  #hashByKernel(burst: Burst): void {
    // A worker has one burst object; only experiments come with another.
    const { control, run } = burst === this.#burst ? this.#kernel! : this.#bind(burst);
    control[COUNT] = burst.n;
    run();
    const left = control[LEFT]!;
    for (let k = 0; k < left; k++) {
      const i = control[LIST + k]!;
      this.hashFrame(burst, i);
      this.targets?.lookFrame(burst, i);
    }
  }

  #bind(burst: Burst): BoundKernel {
    let kernel = this.#bound.get(burst);
    if (kernel === undefined) {
      const { key, start, symmetric } = this.options;
      const table = this.#isTableNative ? { targets: this.targets!.words } : {};
      const options = { key, start, symmetric, isHalved: this.#isHalved, select: this.#select, ...table };
      kernel = this.#kernels!.bind(options, burst.words, burst.bytes);
      this.#bound.set(burst, kernel);
    }
    this.#burst = burst;
    this.#kernel = kernel;
    return kernel;
  }

  #hashByTables(burst: Burst): void {
    const { view, words } = burst;
    const n = burst.n & FRAMES;
    const { table, start } = this.tuple.toeplitz;
    const plainTcp = this.#plainTcp;
    const plainUdp = this.#plainUdp;
    const plainTcp6 = this.#plainTcp6;
    const plainUdp6 = this.#plainUdp6;
    let ipv6 = 0;
    let others = 0;
    for (let i = 0; i < n; i++) {
      const kind = words[KIND + i]! & ~GROUP;
      // The common types are spelled out: no table lookup for the type, and nothing read of an object, which V8 would
      // read again for every frame.
      if (kind === plainTcp || kind === plainUdp) {
        const a = (words[L3 + i]! & 0x7fffffff) + 12;
        words[HASH + i] =
          start ^
          add(table, 0, view.getInt32(a)) ^
          add(table, 1024, view.getInt32(a + 4)) ^
          add(table, 2048, view.getInt32(words[L4 + i]!));
        words[HASH_TYPE + i] = kind === plainTcp ? TCP_IPV4 : UDP_IPV4;
      } else if (kind === plainTcp6 || kind === plainUdp6) {
        words[HASH_TYPE + i] = kind === plainTcp6 ? TCP_IPV6 : UDP_IPV6;
        ipv6Frames[ipv6++ & LAST] = i;
      } else {
        otherFrames[others++ & LAST] = i;
      }
    }
    if (ipv6 > 0) hashIpv6Frames(burst, ipv6Frames, ipv6, table, start);
    for (let k = 0; k < others; k++) this.hashFrame(burst, otherFrames[k]!);
  }

  /** Hash and hash type of frame `i` alone; gives the hash. */
  hashFrame(burst: Burst, i: number): number {
    const { words } = burst;
    let type = this.#select[words[KIND + i]! & ~GROUP & 0xffff]!;
    if (type === MAC && burst.len[i]! < 12) type = NONE;
    words[HASH_TYPE + i] = type;
    let value = type === NONE ? 0 : this.#hashGeneral(burst, i, type);
    if (this.#isHalved) value = (value & 0xffff) | (value << 16);
    words[HASH + i] = value;
    return value;
  }

  /** Any type but none. */
  #hashGeneral(burst: Burst, i: number, type: number): number {
    if (this.#function !== 'toeplitz') return this.#hashOther(burst, i, type);
    const { view, words } = burst;
    const { tuple } = this;
    if (type === MAC) return tuple.macsAt(view, burst.off[i]!);
    if (type <= UDP_IPV4 || type === FRAG_IPV4) {
      const at = words[L3 + i]! + 12;
      const value = tuple.ipv4At(view, at, at + 4);
      return type === IPV4 || type === FRAG_IPV4 ? value : value ^ tuple.ipv4PortsAt(view, words[L4 + i]!);
    }
    let source = words[L3 + i]! + 8;
    let destination = source + 16;
    if (isExType(type)) {
      findExAddresses(burst, i, this.#ex);
      source = this.#ex[0]!;
      destination = this.#ex[1]!;
    }
    const value = tuple.ipv6At(view, source, destination);
    return type === IPV6 || type === IPV6_EX || type === FRAG_IPV6
      ? value
      : value ^ tuple.ipv6PortsAt(view, words[L4 + i]!);
  }

  /** The functions without a key: the same bytes in the same order. */
  #hashOther(burst: Burst, i: number, type: number): number {
    const { bytes } = burst;
    const isXor = this.#function === 'xor8';
    const part = isXor ? xor8Part : this.#function === 'crc32c' ? crc32cPart : crc32Part;
    let sum = isXor ? 0 : -1;
    if (type === MAC) sum = part(sum, bytes, burst.off[i]!, burst.off[i]! + 12);
    else {
      this.#findAddresses(burst, i, type);
      const size = isIpv4Type(type) ? 4 : 16;
      sum = part(sum, bytes, this.#ex[0]!, this.#ex[0]! + size);
      sum = part(sum, bytes, this.#ex[1]!, this.#ex[1]! + size);
      if (hashesPorts(type)) sum = part(sum, bytes, burst.l4[i]!, burst.l4[i]! + 4);
    }
    return isXor ? sum : ~sum;
  }

  /** Where the addresses of an IP type lie, into the scratch. */
  #findAddresses(burst: Burst, i: number, type: number): void {
    if (isExType(type)) {
      findExAddresses(burst, i, this.#ex);
      return;
    }
    const isIpv4 = isIpv4Type(type);
    this.#ex[0] = burst.l3[i]! + (isIpv4 ? 12 : 8);
    this.#ex[1] = burst.l3[i]! + (isIpv4 ? 16 : 24);
  }

  /** The input bytes of frame `i`, which `hashBurst` gave a type; null where nothing was hashed. */
  input(burst: Burst, i: number): Uint8Array | null {
    const type = burst.hashType[i]!;
    if (type === HashType.none) return null;
    const { bytes } = burst;
    const { symmetric } = this.options;
    if (type === MAC) {
      const at = burst.off[i]!;
      return tupleInput(bytes.slice(at, at + 6), bytes.slice(at + 6, at + 12), null, symmetric);
    }
    const size = isIpv4Type(type) ? 4 : 16;
    this.#findAddresses(burst, i, type);
    const source = this.#ex[0]!;
    const destination = this.#ex[1]!;
    const l4 = burst.l4[i]!;
    return tupleInput(
      bytes.slice(source, source + size),
      bytes.slice(destination, destination + size),
      hashesPorts(type) ? bytes.slice(l4, l4 + 4) : null,
      symmetric,
    );
  }

  /** What was hashed for frame `i`, for people. */
  details(burst: Burst, i: number): HashDetails | null {
    const input = this.input(burst, i);
    if (input === null) return null;
    const hasKey = this.#function === 'toeplitz';
    return {
      function: this.#function,
      type: HASH_TYPE_NAMES[burst.hashType[i]!]!,
      input: toHex(input),
      key: hasKey ? toHex(this.options.key) : null,
      init: hex32(hasKey ? this.options.start : this.#function === 'xor8' ? 0 : -1),
      value: hex32(burst.hash[i]!),
    };
  }
}
