/**
 * Toeplitz and an indirection table in BPF: byte tables of the key in the value of an array map, the table behind them.
 *
 * Promise: the same value as `hash/toeplitz.ts`; the key and the table can be written while the program runs (one update of
 * the map's one value). One load and one XOR a byte: bit by bit it would be four instructions for each of 288 bits.
 */
import { Label, type MapSpec } from '../bpf/assembler.js';
import { MapType, Reg } from '../bpf/opcodes.js';
import { toeplitzTable } from '../hash/toeplitz.js';
import type { Symmetric } from '../hash/tuple-hash.js';
import { type FrameAssembler, INPUT } from './frame.js';

const WORD = 4;
const POSITION_BYTES = 256 * WORD;
/** Offsets of loads have 16 bits: r9 points into the middle. */
const MIDDLE = 16 * POSITION_BYTES;
const { r0, r1, r2, r3, r8, r9, fp } = Reg;

/** What the map holds. */
export interface HashMemory {
  readonly key: Uint8Array;
  /** Bytes of the longest input. */
  readonly inputBytes: number;
  /** By bucket (or index into a list of CPUs): what the program returns. */
  readonly results: ArrayLike<number>;
}

/** The map: one value. */
export function hashMap({ key, inputBytes, results }: HashMemory): MapSpec {
  const words = new Int32Array(256 * inputBytes + results.length);
  words.set(toeplitzTable(key, inputBytes));
  words.set(Array.from(results), 256 * inputBytes);
  const value = new Uint8Array(words.buffer);
  const content = [[new Uint8Array(WORD), value]] as const;
  return {
    name: 'steering',
    type: MapType.array,
    keyBytes: WORD,
    valueBytes: value.length,
    entries: 1,
    content,
  };
}

/** Code that hashes; r8 is the hash. */
export class ToeplitzCode {
  readonly #map: number;

  constructor(
    readonly p: FrameAssembler,
    readonly memory: HashMemory,
  ) {
    this.#map = p.map(hashMap(memory));
  }

  /** At the start of the program. */
  prepare(): void {
    this.p.loadMapValue(r9, this.#map, 0);
    this.p.alu('add', r9, MIDDLE);
  }

  /** r8 = start value. */
  begin(start: number): void {
    this.p.set32(r8, start);
  }

  /** r8 ^= bytes of `INPUT` from position `from` on. */
  add(from: number, bytes: number): void {
    const { p } = this;
    for (let i = from; i < from + bytes; i++) {
      p.load('b', r1, fp, INPUT + i);
      p.alu('lsh', r1, 2);
      p.aluWith('add', r1, r9);
      p.load('w', r2, r1, i * POSITION_BYTES - MIDDLE);
      p.alu32With('xor', r8, r2);
    }
  }

  /** r8 = its low half twice. */
  halve(): void {
    const { p } = this;
    p.alu32('and', r8, 0xffff);
    p.move(r1, r8);
    p.alu32('lsh', r1, 16);
    p.alu32With('or', r8, r1);
  }

  /** r0 = entry of the table for the hash: its low bits, or the remainder. */
  lookUp(): void {
    const { p } = this;
    const size = this.memory.results.length;
    p.move(r1, r8);
    if ((size & (size - 1)) === 0) p.alu32('and', r1, size - 1);
    else p.alu32('mod', r1, size);
    this.#entry(size);
  }

  /** r0 = entry of the table for the hash, scaled to it by its high bits. */
  lookUpScaled(): void {
    const { p } = this;
    const size = this.memory.results.length;
    p.move(r1, r8);
    p.alu('mul', r1, size);
    p.alu('rsh', r1, 32);
    this.#entry(size);
  }

  /** r0 = entry r1. */
  #entry(size: number): void {
    const { p } = this;
    const inside = new Label();
    const done = new Label();
    // The verifier does not follow a remainder or a product.
    p.jumpIf('lt', r1, size, inside);
    p.set(r0, 0);
    p.goto(done);
    p.place(inside);
    p.alu('lsh', r1, 2);
    p.aluWith('add', r1, r9);
    p.load('w', r0, r1, this.memory.inputBytes * POSITION_BYTES - MIDDLE);
    p.place(done);
  }
}

/** A symmetric transform of the pair of fields of `words` words (or half a word) each at `at` of the stack. */
export function transform(p: FrameAssembler, mode: Symmetric, at: number, words: number | 'half'): void {
  if (mode === 'none') return;
  if (mode === 'sort') {
    sortPair(p, at, words);
    return;
  }
  const size = words === 'half' ? 'h' : 'w';
  const step = words === 'half' ? 2 : WORD;
  const count = words === 'half' ? 1 : words;
  for (let i = 0; i < count; i++) {
    const a = at + step * i;
    const b = a + step * count;
    p.load(size, r1, fp, a);
    p.load(size, r2, fp, b);
    p.move(r3, r1);
    p.aluWith('xor', r3, r2);
    p.store(size, fp, b, r3);
    if (mode === 'or-xor') p.aluWith('or', r1, r2);
    p.store(size, fp, a, mode === 'xor' ? r3 : r1);
  }
}

/** The smaller field first. */
function sortPair(p: FrameAssembler, at: number, words: number | 'half'): void {
  const size = words === 'half' ? 'h' : 'w';
  const step = words === 'half' ? 2 : WORD;
  const count = words === 'half' ? 1 : words;
  const swap = new Label();
  const done = new Label();
  for (let i = 0; i < count; i++) {
    p.loadNetwork(size, r1, at + step * i);
    p.loadNetwork(size, r2, at + step * (i + count));
    p.jumpIfWith('gt', r1, r2, swap);
    p.jumpIfWith('lt', r1, r2, done);
  }
  p.goto(done);
  p.place(swap);
  for (let i = 0; i < count; i++) {
    const a = at + step * i;
    const b = a + step * count;
    p.load(size, r1, fp, a);
    p.load(size, r2, fp, b);
    p.store(size, fp, a, r2);
    p.store(size, fp, b, r1);
  }
  p.place(done);
}
