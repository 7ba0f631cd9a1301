/**
 * `rps`: Linux receive packet steering in software. A flow hash picks a CPU from a list by multiply-and-shift (the
 * hash's high bits), although the kernel's scaling document says modulo.
 *
 * Promise: stateless; every frame of a flow goes to the same CPU. `hash=linux` is the kernel's packet hash (SipHash
 * over its flow keys, tunnels opened, symmetric), never 0, so that ARP and unknown ethertypes are spread too;
 * `hash=toeplitz` takes the rss hash of the generic NIC, and what that does not hash goes to the first CPU of the
 * list.
 */
import { UserError } from '../errors.js';
import { hex32, toHex } from '../hash/hex.js';
import { randomKey } from '../hash/keys.js';
import { rscale } from '../linux/arith.js';
import { LinuxFlowHash } from '../linux/flow-hash.js';
import { AddressKind, FLOW_KEY_BYTES } from '../linux/flow-keys.js';
import {
  explainHashType,
  GENERIC_TYPES,
  HASH_TYPE_NAMES,
  hashTypeMask,
  selectionByKind,
} from '../nic/hash-types.js';
import type { Burst } from '../packet/burst.js';
import { protocolName } from '../packet/protocol.js';
import { KEY_BYTES_MAX, parseExactKey, resolveKey } from './key.js';
import { RssHash } from './rss-hash.js';
import type { RpsSpec } from './spec.js';
import {
  type CompileContext,
  type Decision,
  decisionOf,
  type HashDetails,
  type Steering,
} from './steering.js';

const SIPHASH_KEY_BYTES = 16;

/** A hash over bursts that can tell what it did. */
interface FlowHash {
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

  constructor(key: Uint8Array) {
    this.#key = key;
    this.#hash = new LinuxFlowHash(key);
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

  constructor(key: Uint8Array) {
    const types = hashTypeMask(GENERIC_TYPES);
    this.#hash = new RssHash({ key, types, symmetric: 'none', start: 0, exRule: 'intel' });
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

function compileHash(spec: RpsSpec): FlowHash {
  const place = 'policy rps: key';
  if (spec.hash === 'linux') {
    const key =
      spec.key === undefined || spec.key === 'random'
        ? randomKey(SIPHASH_KEY_BYTES, spec.seed)
        : parseExactKey(spec.key, place, SIPHASH_KEY_BYTES);
    return new KernelHash(key);
  }
  return new NicHash(
    resolveKey(spec.key ?? 'microsoft', place, spec.seed, 40, { least: 40, most: KEY_BYTES_MAX }),
  );
}

export class RpsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  readonly #cpus: Int32Array;
  readonly #hash: FlowHash;

  constructor(
    readonly spec: RpsSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const high = spec.cpus.find((cpu) => cpu >= context.workers);
    if (high !== undefined) {
      throw new UserError(`policy rps: cpus: CPU ${high} is no worker; workers: 0 to ${context.workers - 1}`);
    }
    this.#cpus = Int32Array.from(spec.cpus);
    this.#hash = compileHash(spec);
  }

  steer(burst: Burst): void {
    this.#hash.hashBurst(burst);
    const { n, hash, bucket, rxq, worker } = burst;
    const cpus = this.#cpus;
    const count = cpus.length;
    for (let i = 0; i < n; i++) {
      const index = rscale(hash[i]!, count);
      bucket[i] = index;
      rxq[i] = -1;
      worker[i] = cpus[index]!;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const count = this.#cpus.length;
    const step = `(${hex32(burst.hash[i]!)} * ${count}) >> 32 = index ${burst.bucket[i]} of the CPU list`;
    const reason = `${this.#hash.why(burst, i)}; ${step} -> CPU ${burst.worker[i]}`;
    return decisionOf(burst, i, this.#hash.details(burst, i), reason, false);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }
}
