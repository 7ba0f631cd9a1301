/**
 * The flow hashes that `rps` and `rfs` steer by: the kernel's packet hash, or a NIC's.
 *
 * Promise: `hashBurst` writes hash and hashType of every frame and allocates nothing; the rest is for explanations.
 * One instance belongs to one thread.
 */
import { UserError } from '../errors.js';
import { hex32, toHex } from '../hash/hex.js';
import { chooseKernels, type HashKernels } from '../hash/kernel.js';
import { randomKey } from '../hash/keys.js';
import { LinuxFlowHash } from '../linux/flow-hash.js';
import { AddressKind, FLOW_KEY_BYTES } from '../linux/flow-keys.js';
import { type LinuxBehaviour, linuxBehaviour, MODERN } from '../linux/version.js';
import {
  explainHashType,
  GENERIC_TYPES,
  HASH_TYPE_NAMES,
  hashTypeMask,
  selectionByKind,
} from '../nic/hash-types.js';
import { RssHash } from '../nic/rss-hash.js';
import type { Burst } from '../packet/burst.js';
import { protocolName } from '../packet/protocol.js';
import { KEY_BYTES_MAX, parseExactKey, resolveKey } from './key.js';
import type { RfsSpec, RpsSpec } from './spec.js';
import type { CompileContext, HashDetails } from './steering.js';

const SIPHASH_KEY_BYTES = 16;

/** A hash over bursts that can tell what it did. */
export interface FlowHash {
  hashBurst(burst: Burst): void;
  details(burst: Burst, i: number): HashDetails | null;
  /** In words, what was hashed. */
  why(burst: Burst, i: number): string;
}

/** The kernel's hash. */
class KernelHash implements FlowHash {
  readonly #hash: LinuxFlowHash;
  readonly #key: Uint8Array;
  readonly #select = selectionByKind(hashTypeMask(GENERIC_TYPES));

  constructor(key: Uint8Array, kernel: LinuxBehaviour) {
    this.#key = key;
    this.#hash = new LinuxFlowHash(key, { canonical: kernel.canonical });
  }

  /** The types are those of a NIC that hashes everything: a name for statistics, the kernel has none. */
  hashBurst(burst: Burst): void {
    this.#hash.hashBurst(burst);
    const { n, kind, hashType } = burst;
    const select = this.#select;
    for (let i = 0; i < n; i++) hashType[i] = select[kind[i]! & 0xffff]!;
  }

  details(burst: Burst, i: number): HashDetails {
    const value = this.#hash.hashFrame(burst.bytes, burst.off[i]!, burst.len[i]!);
    const { words, addresses } = this.#hash.keys;
    const input = new Uint8Array(FLOW_KEY_BYTES[addresses]!);
    for (let at = 0; at < input.length; at++) input[at] = words[at >> 2]! >>> (8 * (at & 3));
    return {
      function: 'siphash',
      type: HASH_TYPE_NAMES[burst.hashType[i]!]!,
      input: toHex(input),
      key: toHex(this.#key),
      init: hex32(0),
      value: hex32(value),
    };
  }

  why(burst: Burst, i: number): string {
    this.#hash.hashFrame(burst.bytes, burst.off[i]!, burst.len[i]!);
    const { keys } = this.#hash;
    if (keys.addresses === AddressKind.none) return 'no IP addresses: the ethertype alone is hashed';
    if (keys.fragment) return 'a fragment: addresses and protocol are hashed, no ports';
    if (keys.words[1] !== 0) return 'an IPv6 flow label: addresses, label and next header are hashed';
    if (keys.words[7] !== 0)
      return `${protocolName(keys.transport)}: sorted addresses and sorted ports are hashed`;
    return `${protocolName(keys.transport)} without ports: addresses and protocol are hashed`;
  }
}

/** The generic NIC's hash. */
class NicHash implements FlowHash {
  readonly #hash: RssHash;

  constructor(key: Uint8Array, kernels: HashKernels | null) {
    const types = hashTypeMask(GENERIC_TYPES);
    this.#hash = new RssHash({ key, types, symmetric: 'none', start: 0, exRule: 'intel', kernels });
  }

  hashBurst(burst: Burst): void {
    this.#hash.hashBurst(burst);
  }

  details(burst: Burst, i: number): HashDetails | null {
    return this.#hash.details(burst, i);
  }

  why(burst: Burst, i: number): string {
    return explainHashType(burst.kind[i]!, burst.hashType[i]!, this.#hash.options.types);
  }
}

/** The hash that an rps or rfs policy asks for. @throws UserError */
export function compileFlowHash(spec: RpsSpec | RfsSpec, context: CompileContext): FlowHash {
  const place = `policy ${spec.policy}: key`;
  const where = `policy ${spec.policy}: implementation`;
  if (spec.hash === 'linux') {
    if (spec.implementation === 'native') throw new UserError(`${where}: native: goes with hash=toeplitz`);
    const key =
      spec.key === undefined || spec.key === 'random'
        ? randomKey(SIPHASH_KEY_BYTES, spec.seed)
        : parseExactKey(spec.key, place, SIPHASH_KEY_BYTES);
    const kernel = spec.policy === 'rfs' ? spec.kernel : undefined;
    return new KernelHash(key, kernel === undefined ? MODERN : linuxBehaviour(kernel));
  }
  return new NicHash(
    resolveKey(spec.key ?? 'microsoft', place, spec.seed, 40, { least: 40, most: KEY_BYTES_MAX }),
    chooseKernels(spec.implementation, context.kernels, where),
  );
}
