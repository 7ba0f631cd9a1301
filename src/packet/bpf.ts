/**
 * Classic BPF programs, run over captured packets: what a pcap-filter expression compiles to.
 *
 * Promise: a program is checked once (opcodes, jumps that only go forward and stay inside, memory words), so that a
 * run ends and reads nothing outside the packet; a load beyond the captured bytes ends the program with 0, as in
 * libpcap. The kernel's extensions (negative offsets) are refused. One thread; a run allocates nothing.
 *
 * Sources: the BPF paper of McCanne and Jacobson (1993), bpf(4) of FreeBSD, `bpf_filter.c` of libpcap.
 */
import { UserError } from '../errors.js';

/** 32-bit words a packet's program may keep. */
const MEMORY_WORDS = 16;
const WORDS = 4;

/** Instruction classes, the lowest three bits. */
const LD = 0;
const LDX = 1;
const ST = 2;
const STX = 3;
const ALU = 4;
const JMP = 5;
const RET = 6;
/** Bits of sizes, modes, operations and sources. */
const SIZE = 0x18;
const HALF = 0x08;
const BYTE = 0x10;
const MODE = 0xe0;
const IMM = 0x00;
const ABS = 0x20;
const IND = 0x40;
const MEM = 0x60;
const LEN = 0x80;
const MSH = 0xa0;
const OPERATION = 0xf0;
const SOURCE_X = 0x08;

function wrong(at: number, what: string): UserError {
  return new UserError(`BPF instruction ${at}: ${what}`);
}

/** A checked program: `accepts` says whether it takes a packet. */
export class BpfProgram {
  /** code, jump if true, jump if false, k: four words an instruction. */
  readonly #code: Int32Array;
  readonly #memory = new Int32Array(MEMORY_WORDS);

  /** @param instructions code, jt, jf, k of each, as `tcpdump -ddd` prints them. @throws UserError */
  constructor(instructions: readonly (readonly [number, number, number, number])[]) {
    const { length } = instructions;
    if (length === 0) throw new UserError('BPF: an empty program');
    this.#code = Int32Array.from(instructions.flatMap(([code, jt, jf, k]) => [code, jt, jf, k | 0]));
    for (const [at, [code, jt, jf, k]] of instructions.entries()) {
      const last = length - 1 - at;
      const operation = code & OPERATION;
      switch (code & 7) {
        case LD:
        case LDX: {
          const mode = code & MODE;
          if (mode === MEM && k >= MEMORY_WORDS) throw wrong(at, `no memory word ${k}`);
          if ((mode === ABS || mode === MSH) && k > 0x7fff_ffff)
            throw wrong(at, "the kernel's extensions have no meaning in a file");
          if (
            mode > MSH ||
            ((code & 7) === LDX && (mode === ABS || mode === IND)) ||
            (mode === MSH && (code & 7) === LD)
          )
            throw wrong(at, `unknown code ${code}`);
          break;
        }
        case ST:
        case STX:
          if (k >= MEMORY_WORDS) throw wrong(at, `no memory word ${k}`);
          break;
        case ALU:
          if (operation > 0xa0) throw wrong(at, `unknown code ${code}`);
          if ((operation === 0x30 || operation === 0x90) && (code & SOURCE_X) === 0 && k === 0)
            throw wrong(at, 'division by zero');
          break;
        case JMP:
          if (operation > 0x40) throw wrong(at, `unknown code ${code}`);
          if (operation === 0 ? k >= last : jt >= last || jf >= last)
            throw wrong(at, 'jumps out of the program');
          break;
        case RET:
          break;
        default:
          if (operation !== 0 && operation !== 0x80) throw wrong(at, `unknown code ${code}`);
      }
      if (last === 0 && (code & 7) !== RET) throw wrong(at, 'does not end the program');
    }
  }

  /**
   * Whether the program takes the packet at `view[off … off + len - 1]`.
   * @param wire its length before it was cut short, for `len` (`greater 1000`)
   */
  accepts(view: DataView, off: number, len: number, wire: number): boolean {
    const code = this.#code;
    const memory = this.#memory;
    let a = 0;
    let x = 0;
    for (let at = 0; ; at += WORDS) {
      const op = code[at]!;
      const k = code[at + 3]!;
      switch (op & 7) {
        case LD: {
          const mode = op & MODE;
          if (mode === IMM) a = k;
          else if (mode === MEM) a = memory[k]!;
          else if (mode === LEN) a = wire;
          else {
            const from = mode === IND ? (x >>> 0) + (k >>> 0) : k;
            const size = op & SIZE;
            const width = size === BYTE ? 1 : size === HALF ? 2 : 4;
            if (from + width > len) return false;
            if (width === 1) a = view.getUint8(off + from);
            else if (width === 2) a = view.getUint16(off + from);
            else a = view.getInt32(off + from);
          }
          break;
        }
        case LDX: {
          const mode = op & MODE;
          if (mode === IMM) x = k;
          else if (mode === MEM) x = memory[k]!;
          else if (mode === LEN) x = wire;
          else {
            if (k >= len) return false;
            x = 4 * (view.getUint8(off + k) & 15);
          }
          break;
        }
        case ST:
          memory[k] = a;
          break;
        case STX:
          memory[k] = x;
          break;
        case ALU: {
          const b = (op & SOURCE_X) !== 0 ? x : k;
          switch (op & OPERATION) {
            case 0x00:
              a = (a + b) | 0;
              break;
            case 0x10:
              a = (a - b) | 0;
              break;
            case 0x20:
              a = Math.imul(a, b);
              break;
            case 0x30:
              if (b === 0) return false;
              a = ((a >>> 0) / (b >>> 0)) | 0;
              break;
            case 0x40:
              a |= b;
              break;
            case 0x50:
              a &= b;
              break;
            case 0x60:
              a = b >>> 0 > 31 ? 0 : a << b;
              break;
            case 0x70:
              a = b >>> 0 > 31 ? 0 : a >>> b;
              break;
            case 0x80:
              a = -a | 0;
              break;
            case 0x90:
              if (b === 0) return false;
              a = ((a >>> 0) % (b >>> 0)) | 0;
              break;
            default:
              a ^= b;
          }
          break;
        }
        case JMP: {
          const operation = op & OPERATION;
          if (operation === 0) {
            at += WORDS * k;
            break;
          }
          const b = (op & SOURCE_X) !== 0 ? x : k;
          const holds =
            operation === 0x10
              ? (a | 0) === (b | 0)
              : operation === 0x20
                ? a >>> 0 > b >>> 0
                : operation === 0x30
                  ? a >>> 0 >= b >>> 0
                  : (a & b) !== 0;
          at += WORDS * code[at + (holds ? 1 : 2)]!;
          break;
        }
        case RET:
          return ((op & 0x18) === 0x10 ? a : k) !== 0;
        default:
          if ((op & OPERATION) === 0) x = a;
          else a = x;
      }
    }
  }
}
