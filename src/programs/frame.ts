/**
 * How a BPF program reads a frame: copies of its bytes on the stack, at offsets from the Ethernet header.
 *
 * Promise: the same program text for socket filters and XDP; a read beyond the frame jumps, and never ends the program.
 * r6 is the context and r7 the offset of the network header; r0 to r5 are lost with every read.
 *
 * Of a socket filter the start of the frame is not always its first byte: a TAP sees the whole frame, a fanout group sees it
 * from the network header on. Reads from the MAC header (`mac`) are right for both, but reach the linear part of a packet
 * only; reads from the data (`data`) reach all of it. XDP reads need Linux 5.18.
 */
import { Assembler, type Label } from '../bpf/assembler.js';
import { Helper, Reg, type Register } from '../bpf/opcodes.js';

/** Where offsets count from, and with which helper. */
export type FrameStart = 'mac' | 'data' | 'xdp';

/** The frame's own bytes on the stack: a header at a time. */
export const HEADER = -48;
/** What is hashed: addresses, then ports. */
export const INPUT = -88;
/** Numbers of 4 bytes that outlive a read. */
export const SLOT = { protocol: -92, limit: -96 } as const;

const BPF_HDR_START_MAC = 0;
const { r0, r1, r2, r3, r4, r5, r6, r7, fp } = Reg;

/** An assembler that reads frames. */
export class FrameAssembler extends Assembler {
  constructor(readonly start: FrameStart) {
    super();
    this.move(r6, r1);
  }

  /**
   * Copies `length` bytes at offset `from` (and more, by a register, which is not r1) to the stack; goes to `short` where
   * they are not there.
   */
  fetch(from: number, base: Register | null, to: number, length: number, short: Label): void {
    this.move(r1, r6);
    if (base === null) this.set(r2, from);
    else {
      this.move(r2, base);
      if (from !== 0) this.alu('add', r2, from);
    }
    this.move(r3, fp);
    this.alu('add', r3, to);
    this.set(r4, length);
    if (this.start === 'mac') this.set(r5, BPF_HDR_START_MAC);
    const helper = { mac: Helper.skbLoadBytesRelative, data: Helper.skbLoadBytes, xdp: Helper.xdpLoadBytes };
    this.call(helper[this.start]);
    this.jumpIf('ne', r0, 0, short);
  }

  /** The same at an offset from the network header. */
  fetchNetwork(from: number, to: number, length: number, short: Label): void {
    this.fetch(from, r7, to, length, short);
  }

  /** dst = 16 or 32 bits of the stack, as the network has them. */
  loadNetwork(size: 'h' | 'w', dst: Register, at: number): void {
    this.load(size, dst, fp, at);
    this.fromBigEndian(dst, size === 'h' ? 16 : 32);
  }

  /** Copies words of the stack. */
  copyWords(from: number, to: number, words: number): void {
    for (let i = 0; i < words; i++) {
      this.load('w', r1, fp, from + 4 * i);
      this.store('w', fp, to + 4 * i, r1);
    }
  }

  /** Goes to the label where the register is one of the values. */
  jumpIfAny(register: Register, values: readonly number[], to: Label): void {
    for (const value of values) this.jumpIf('eq', register, value, to);
  }
}
