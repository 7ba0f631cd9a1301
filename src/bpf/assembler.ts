/**
 * An eBPF program under construction: instructions, labels that are set later, maps by name.
 *
 * Promise: what comes out is the very code that was asked for, 8 bytes an instruction in the machine's order (little
 * endian); a label that nobody sets, or a jump that does not reach, throws. Nothing else is checked: the kernel's verifier
 * does. Pure.
 */
import {
  Alu,
  type AluName,
  Class,
  Jump,
  type JumpName,
  type Register,
  Size,
  type SizeName,
} from './opcodes.js';

const BYTES = 8;
const IMMEDIATE = 0x00;
const FROM_REGISTER = 0x08;
const MEM = 0x60;
const ATOMIC = 0xc0;
const JA = 0x00;
const CALL = 0x80;
const EXIT = 0x90;
const END = 0xd0;
/** `src` of a load of 64 bits: a map, or an address in the value of an array map with one entry. */
const PSEUDO_MAP = 1;
const PSEUDO_MAP_VALUE = 2;
const JUMP_MAX = 0x7fff;

/** A map of a program. */
export interface MapSpec {
  readonly name: string;
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entries: number;
  /** What it holds from the start. */
  readonly content: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}

/** A program, not loaded: its instructions, and where the numbers of its maps have to go. */
export interface Program {
  readonly name: string;
  readonly type: number;
  /** Helpers for GPL-compatible programs only are there for those whose licence says so. */
  readonly licence: string;
  /** 8 bytes each. */
  readonly code: Uint8Array;
  readonly maps: readonly MapSpec[];
  /** Instructions whose immediate is the descriptor of a map: index of each, and of its map. */
  readonly uses: readonly (readonly [instruction: number, map: number])[];
}

/** A place in the program that jumps lead to. */
export class Label {
  /** Number of the instruction; -1: not set yet. */
  at = -1;
}

/** See above. */
export class Assembler {
  readonly #code: number[][] = [];
  readonly #maps: MapSpec[] = [];
  readonly #uses: [number, number][] = [];
  readonly #jumps: [number, Label][] = [];

  /** Number of instructions so far. */
  get length(): number {
    return this.#code.length;
  }

  #put(code: number, dst: number, src: number, offset: number, immediate: number): void {
    this.#code.push([code, dst | (src << 4), offset, immediate | 0]);
  }

  /** dst = value, or a register. */
  move(dst: Register, src: Register): void {
    this.#put(Class.alu64 | Alu.mov | FROM_REGISTER, dst, src, 0, 0);
  }
  set(dst: Register, value: number): void {
    this.#put(Class.alu64 | Alu.mov | IMMEDIATE, dst, 0, 0, value);
  }
  /** dst = value, 32 bits, the upper half 0. */
  set32(dst: Register, value: number): void {
    this.#put(Class.alu | Alu.mov | IMMEDIATE, dst, 0, 0, value);
  }

  /** dst = dst OP value, on 64 bits. */
  alu(name: AluName, dst: Register, value: number): void {
    this.#put(Class.alu64 | Alu[name] | IMMEDIATE, dst, 0, 0, value);
  }
  /** dst = dst OP src, on 64 bits. */
  aluWith(name: AluName, dst: Register, src: Register): void {
    this.#put(Class.alu64 | Alu[name] | FROM_REGISTER, dst, src, 0, 0);
  }
  /** The same on 32 bits; the upper half becomes 0. */
  alu32(name: AluName, dst: Register, value: number): void {
    this.#put(Class.alu | Alu[name] | IMMEDIATE, dst, 0, 0, value);
  }
  alu32With(name: AluName, dst: Register, src: Register): void {
    this.#put(Class.alu | Alu[name] | FROM_REGISTER, dst, src, 0, 0);
  }
  /** dst from network order to the machine's, of 16 or 32 bits. */
  fromBigEndian(dst: Register, bits: 16 | 32): void {
    this.#put(Class.alu | END | FROM_REGISTER, dst, 0, 0, bits);
  }

  /** dst = memory of `size` at base + offset. */
  load(size: SizeName, dst: Register, base: Register, offset: number): void {
    this.#put(Class.ldx | MEM | Size[size], dst, base, offset, 0);
  }
  /** Memory at base + offset = src. */
  store(size: SizeName, base: Register, offset: number, src: Register): void {
    this.#put(Class.stx | MEM | Size[size], base, src, offset, 0);
  }
  storeValue(size: SizeName, base: Register, offset: number, value: number): void {
    this.#put(Class.st | MEM | Size[size], base, 0, offset, value);
  }
  /** The 64 bits at base + offset grow by src at once, whoever else adds. */
  atomicAdd(base: Register, offset: number, src: Register): void {
    this.#put(Class.stx | ATOMIC | Size.dw, base, src, offset, 0);
  }

  /** Adds a map; gives its number. */
  map(spec: MapSpec): number {
    this.#maps.push(spec);
    return this.#maps.length - 1;
  }
  /** dst = a map, for helpers. */
  loadMap(dst: Register, map: number): void {
    this.#uses.push([this.length, map]);
    this.#put(Class.ld | Size.dw, dst, PSEUDO_MAP, 0, 0);
    this.#put(0, 0, 0, 0, 0);
  }
  /** dst = address of `offset` bytes into the one value of an array map. */
  loadMapValue(dst: Register, map: number, offset: number): void {
    this.#uses.push([this.length, map]);
    this.#put(Class.ld | Size.dw, dst, PSEUDO_MAP_VALUE, 0, 0);
    this.#put(0, 0, 0, 0, offset);
  }

  /** Goes to the label where the condition holds, on 64 bits. */
  jumpIf(name: JumpName, register: Register, value: number, to: Label): void {
    this.#jumps.push([this.length, to]);
    this.#put(Class.jmp | Jump[name] | IMMEDIATE, register, 0, 0, value);
  }
  jumpIfWith(name: JumpName, register: Register, other: Register, to: Label): void {
    this.#jumps.push([this.length, to]);
    this.#put(Class.jmp | Jump[name] | FROM_REGISTER, register, other, 0, 0);
  }
  goto(to: Label): void {
    this.#jumps.push([this.length, to]);
    this.#put(Class.jmp | JA, 0, 0, 0, 0);
  }
  /** The label is here. */
  place(label: Label): void {
    if (label.at >= 0) throw new Error(`a label at ${label.at} and at ${this.length}`);
    label.at = this.length;
  }

  /** r0 = helper(r1, …); r1 to r5 are lost. */
  call(helper: number): void {
    this.#put(Class.jmp | CALL, 0, 0, 0, helper);
  }
  /** Ends with r0. */
  exit(): void {
    this.#put(Class.jmp | EXIT, 0, 0, 0, 0);
  }

  /** The program. @throws Error for a label that was not set, or is too far away */
  finish(name: string, type: number, licence = 'MIT'): Program {
    for (const [at, label] of this.#jumps) {
      const distance = label.at - at - 1;
      if (label.at < 0) throw new Error(`instruction ${at} jumps to a label that was not set`);
      if (Math.abs(distance) > JUMP_MAX) throw new Error(`instruction ${at} jumps ${distance} instructions`);
      this.#code[at]![2] = distance;
    }
    const code = new Uint8Array(BYTES * this.length);
    const view = new DataView(code.buffer);
    this.#code.forEach(([operation, registers, offset, immediate], i) => {
      view.setUint8(BYTES * i, operation!);
      view.setUint8(BYTES * i + 1, registers!);
      view.setInt16(BYTES * i + 2, offset!, true);
      view.setInt32(BYTES * i + 4, immediate!, true);
    });
    return { name, type, licence, code, maps: this.#maps, uses: this.#uses };
  }
}

/** The code with the descriptors of its maps. */
export function linked({ code, uses }: Program, descriptors: readonly number[]): Uint8Array {
  const copy = code.slice();
  const view = new DataView(copy.buffer);
  for (const [instruction, map] of uses) view.setInt32(BYTES * instruction + 4, descriptors[map]!, true);
  return copy;
}
