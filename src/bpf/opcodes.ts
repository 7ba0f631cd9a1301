/**
 * Numbers of eBPF: instruction codes, registers, helpers, kinds of programs and maps.
 *
 * Promise: constants only. Source: include/uapi/linux/bpf.h and bpf_common.h; RFC 9669.
 */

/** Registers; r10 is the end of the stack, read only. */
export const Reg = { r0: 0, r1: 1, r2: 2, r3: 3, r4: 4, r5: 5, r6: 6, r7: 7, r8: 8, r9: 9, fp: 10 } as const;
/** Number of a register. */
export type Register = (typeof Reg)[keyof typeof Reg];

/** Instruction classes, the lowest three bits. */
export const Class = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;

/** Sizes of loads and stores. */
export const Size = { w: 0x00, h: 0x08, b: 0x10, dw: 0x18 } as const;
/** A size's name: 4, 2, 1, 8 bytes. */
export type SizeName = keyof typeof Size;

/** Operations of arithmetic. */
export const Alu = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
} as const;
export type AluName = keyof typeof Alu;

/** Conditions of jumps; unsigned unless they say otherwise. */
/** `set`: they have a bit in common. */
export const Jump = { eq: 0x10, gt: 0x20, ge: 0x30, set: 0x40, ne: 0x50, lt: 0xa0, le: 0xb0 } as const;
export type JumpName = keyof typeof Jump;

/** Helpers of the kernel that programs call. */
export const Helper = {
  mapLookup: 1,
  getSmpProcessorId: 8,
  skbVlanPush: 18,
  skbVlanPop: 19,
  skbLoadBytes: 26,
  redirectMap: 51,
  skbLoadBytesRelative: 68,
  probeReadKernel: 113,
  xdpLoadBytes: 189,
} as const;

/** Kinds of programs. */
export const ProgramType = { socketFilter: 1, schedCls: 3, xdp: 6 } as const;
/** Places at a device that a program is attached to. */
export const AttachType = { xdp: 37, tcxEgress: 47 } as const;
/** Kinds of maps. */
export const MapType = { hash: 1, array: 2, arrayOfMaps: 12, cpumap: 16, xskmap: 17 } as const;

/** Fields of the context of a socket filter (`struct __sk_buff`), by their offset. */
export const SkBuff = {
  len: 0,
  queueMapping: 12,
  protocol: 16,
  vlanPresent: 20,
  vlanTci: 24,
  hash: 68,
  gsoSize: 176,
} as const;

/** Fields of the context of an XDP program (`struct xdp_md`), by their offset. */
export const XdpContext = { data: 0, dataEnd: 4, dataMeta: 8, ifindex: 12, rxQueueIndex: 16 } as const;

/** Verdicts of XDP. */
export const Xdp = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;
