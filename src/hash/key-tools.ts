/**
 * What a Toeplitz key is worth: its effective bits, its symmetries, the differences that collide, the inputs that
 * land where one wants, and what an observer of hashes learns.
 *
 * Promise: linear algebra, no search: exact and quick for every key. Inputs are the bytes that are hashed (see
 * `tuple-hash.ts` for their layout); bit 0 is the most significant bit of byte 0.
 */
import { UserError } from '../errors.js';
import { LinearSystem, rankOf } from './gf2.js';
import { keyBytesFor, keyWindow, toeplitzBitwise } from './toeplitz.js';

/** Bits of the fields of an IPv4 input with ports. */
export const IPV4_FIELDS = { src: [0, 32], dst: [32, 64], sport: [64, 80], dport: [80, 96] } as const;
/** Bits of the fields of an IPv6 input with ports. */
export const IPV6_FIELDS = { src: [0, 128], dst: [128, 256], sport: [256, 272], dport: [272, 288] } as const;

/** Numbers `from … to - 1`. */
export function bitRange(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function checkKey(key: Uint8Array, bits: readonly number[]): void {
  const bytes = Math.floor(bits.reduce((a, b) => Math.max(a, b), 0) / 8) + 1;
  if (key.length < keyBytesFor(bytes)) {
    throw new UserError(`key of ${key.length} bytes is too short for ${bytes} bytes of input`);
  }
}

/**
 * log2 of the number of different hashes (or of their low `lowBits` bits) that inputs can have when only these bits
 * vary. 32 is the most.
 */
export function effectiveBits(key: Uint8Array, bits: readonly number[], lowBits = 32): number {
  checkKey(key, bits);
  const mask = lowBits === 32 ? -1 : (1 << lowBits) - 1;
  return rankOf(bits.map((bit) => keyWindow(key, bit) & mask));
}

/** Which exchanges leave every hash as it is. */
export interface KeySymmetry {
  readonly addresses: boolean;
  readonly ports: boolean;
  /** Both at once: a flow and its reverse have one hash. */
  readonly both: boolean;
}

/** Symmetries of a key on the IPv4 (`addressBits` 32) or IPv6 (128) input with ports. */
export function keySymmetry(key: Uint8Array, addressBits: 32 | 128 = 32): KeySymmetry {
  const ports = 2 * addressBits;
  checkKey(key, [ports + 31]);
  const same = (a: number, b: number, count: number) =>
    bitRange(0, count).every((i) => keyWindow(key, a + i) === keyWindow(key, b + i));
  const addresses = same(0, addressBits, addressBits);
  const portsSame = same(ports, ports + 16, 16);
  // Exchanging both is symmetric exactly where each is: either pair can be equal in itself.
  return { addresses, ports: portsSame, both: addresses && portsSame };
}

/** The chosen bits of a solution as an input difference of `length` bytes. */
function toBytes(solution: Uint8Array, bits: readonly number[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bits.forEach((bit, i) => {
    if (solution[i] === 1) bytes[bit >> 3]! |= 0x80 >> (bit & 7);
  });
  return bytes;
}

/** Equations "the low `lowBits` bits of the hash of the difference are `wanted`", in the chosen input bits. */
function systemFor(
  key: Uint8Array,
  bits: readonly number[],
  lowBits: number,
  wanted: number,
): LinearSystem | null {
  const windows = bits.map((bit) => keyWindow(key, bit));
  const system = new LinearSystem(bits.length);
  for (let hashBit = 0; hashBit < lowBits; hashBit++) {
    const unknowns = bits.map((_, i) => i).filter((i) => ((windows[i]! >>> hashBit) & 1) === 1);
    if (!system.add(system.row(unknowns, wanted >>> hashBit))) return null;
  }
  return system;
}

/**
 * A basis of the input differences (XOR) in these bits that leave the hash (or its low bits) as it is: whoever
 * knows one can make as many colliding flows as it has combinations. Empty = none collide.
 */
export function collidingDifferences(
  key: Uint8Array,
  bits: readonly number[],
  length: number,
  lowBits = 32,
): Uint8Array[] {
  checkKey(key, bits);
  const system = systemFor(key, bits, lowBits, 0);
  return system === null ? [] : system.kernel().map((vector) => toBytes(vector, bits, length));
}

/**
 * Inputs that differ from `input` in the given bits only and whose hash ends in `wanted` (`lowBits` bits): a source
 * port for a queue, for example. At most `count`, all different; empty where none exists.
 */
export function inputsForHash(
  key: Uint8Array,
  input: Uint8Array,
  bits: readonly number[],
  wanted: number,
  lowBits: number,
  count = 1,
  start = 0,
): Uint8Array[] {
  checkKey(key, bits);
  const difference = toeplitzBitwise(key, input, start) ^ wanted;
  const system = systemFor(key, bits, lowBits, difference);
  if (system === null) return [];
  const basis = system.kernel();
  const first = system.solve();
  const most = basis.length >= 31 ? count : Math.min(count, 2 ** basis.length);
  const found: Uint8Array[] = [];
  for (let choice = 0; choice < most; choice++) {
    const solution = first.slice();
    basis.slice(0, 31).forEach((vector, i) => {
      if (((choice >>> i) & 1) === 1)
        for (let bit = 0; bit < vector.length; bit++) solution[bit]! ^= vector[bit]!;
    });
    const delta = toBytes(solution, bits, input.length);
    found.push(input.map((byte, i) => byte ^ delta[i]!));
  }
  return found;
}

/**
 * What somebody learns who sees inputs and (low bits of) their hashes, without knowing the key. Each observed hash
 * bit is one equation in key bits.
 */
export class KeyObserver {
  readonly #system: LinearSystem;
  readonly #length: number;
  readonly #lowBits: number;
  readonly #start: number;

  /** @param length bytes of each input; @param lowBits bits of the hash that are seen (7 for a 128-entry table). */
  constructor(length: number, lowBits = 32, start = 0) {
    this.#length = length;
    this.#lowBits = lowBits;
    this.#start = start;
    this.#system = new LinearSystem(8 * length + 31);
  }

  /** Key bits (or sums of them) that are determined. */
  get rank(): number {
    return this.#system.rank;
  }

  /** Key bits that have any influence on what is seen. */
  get relevantBits(): number {
    return 8 * this.#length - 1 + this.#lowBits;
  }

  /** False when the observation contradicts the earlier ones: not one key, or not Toeplitz. */
  observe(input: Uint8Array, hash: number): boolean {
    this.#check(input);
    let fits = true;
    for (let bit = 0; bit < this.#lowBits; bit++) {
      fits = this.#system.add(this.#rowFor(input, bit, (hash ^ this.#start) >>> bit)) && fits;
    }
    return fits;
  }

  /** The low bits of the hash of another input, or null where they are not determined yet. */
  predict(input: Uint8Array): number | null {
    this.#check(input);
    let hash = 0;
    for (let bit = 0; bit < this.#lowBits; bit++) {
      const value = this.#system.valueOf(this.#rowFor(input, bit, 0));
      if (value === null) return null;
      hash |= (value ^ ((this.#start >>> bit) & 1)) << bit;
    }
    return hash >>> 0;
  }

  #check(input: Uint8Array): void {
    if (input.length !== this.#length) {
      throw new UserError(`input of ${input.length} bytes: this observer takes ${this.#length}`);
    }
  }

  /** Hash bit `bit` (0 = lowest) of the input in key bits: input bit i adds key bit i + 31 - bit. */
  #rowFor(input: Uint8Array, bit: number, right: number): Uint32Array {
    const unknowns: number[] = [];
    for (let i = 0; i < 8 * this.#length; i++) {
      if (((input[i >> 3]! >>> (7 - (i & 7))) & 1) === 1) unknowns.push(i + 31 - bit);
    }
    return this.#system.row(unknowns, right);
  }
}
