/**
 * A filter before a receive ring, with two counters.
 *
 * Why: TPACKET_V2 gives up a ring for good when it meets a super-frame whose type the virtio-net header cannot express
 * (UFO, SCTP; before Linux 6.2 segmented UDP): `tpacket_rcv` has marked the slot by then and leaves the mark. A guest can
 * send such a frame at will. The filter runs before the slot is marked, and the frame is dropped on its own.
 *
 * Promise: every frame that the ring could not have held is refused and counted (`refused`); every other one passes.
 * `unclaimed` counts tagged frames whose ethertype no protocol of the kernel takes: the kernel's own stack counts these as
 * dropped by the device although the ring has them. Counters are written by the kernel, read by the main thread.
 *
 * Source of the behaviour: net/packet/af_packet.c, include/linux/virtio_net.h, net/core/dev.c of Linux 6.18.
 */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { loadProgram } from '../addon/bpf.js';
import type { Native } from '../addon/native.js';
import { Assembler, Label, type Program } from '../bpf/assembler.js';
import { Helper, MapType, ProgramType, Reg, SkBuff } from '../bpf/opcodes.js';
import { ETHERNET_HEADER, EtherType, VLAN_TAG } from '../packet/protocol.js';

const { r0, r1, r2, r3, r4, r6, r7, r8, fp } = Reg;
/** Tags that are looked into: one more than packet sockets see the kernel take out. */
const TAGS = 3;
const COUNTERS = { refused: 0, unclaimed: 8, bytes: 16 } as const;
const KEY = new Uint8Array(4);

/** Two descriptors: a filter before receive rings, and what it counts. */
export interface ReceiveGuard {
  readonly program: number;
  readonly counters: number;
}

/** What a guard has counted. */
export interface GuardCounters {
  /** Super-frames of a type that the virtio-net header cannot express (UFO, SCTP); none of them met the ring. */
  readonly refused: number;
  /** Tagged frames, passed on, that no protocol of the kernel takes: its stack counts them as dropped by the device. */
  readonly unclaimed: number;
}

/** Where the type of a super-frame lies in a kernel, and the bits of those that virtio-net has. */
export interface GsoLayout {
  readonly head: number;
  readonly end: number;
  readonly type: number;
  readonly expressible: number;
}

/** Segmented UDP in virtio-net headers: Linux 6.2. */
function expressesUdp(): boolean {
  const [major = 0, minor = 0] = release().split('.', 2).map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

function readLayout(native: Native): GsoLayout | null {
  const types = native.kernelTypes(
    ['sk_buff.head', 'sk_buff.end', 'skb_shared_info.gso_type'],
    ['SKB_GSO_TCPV4', 'SKB_GSO_TCPV6', 'SKB_GSO_UDP_L4'],
  );
  if (types === null) return null;
  const [head = null, end = null, type = null] = types.offsets;
  const [tcp4 = null, tcp6 = null, udp = null] = types.values;
  if (head === null || end === null || type === null || tcp4 === null || tcp6 === null) return null;
  return { head, end, type, expressible: tcp4 | tcp6 | (expressesUdp() ? (udp ?? 0) : 0) };
}

/** One kernel, one layout: reading it takes tens of milliseconds. */
const layouts = new WeakMap<Native, GsoLayout | null>();

function layoutOf(native: Native): GsoLayout | null {
  let layout = layouts.get(native);
  if (layout === undefined) {
    layout = readLayout(native);
    layouts.set(native, layout);
  }
  return layout;
}

/** Ethertypes that a protocol takes, whatever the device: lines `0800  ip_rcv` of /proc/net/ptype. Pure. */
export function claimedTypes(text: string): number[] {
  // "ALL" is no number; behind the number stands a device, or only blanks and the function.
  return [...text.matchAll(/^([0-9a-f]{4}) {9}/gim)].map(([, type]) => Number.parseInt(type!, 16));
}

/** A 16-bit number of the network's order as a program loads it. */
function swapped(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function count(p: Assembler, counters: number, offset: number): void {
  p.loadMapValue(r1, counters, offset);
  p.set(r2, 1);
  p.atomicAdd(r1, 0, r2);
}

/** Copies bytes of the kernel's memory at r3 to the stack; goes to `unread` where they are not there. */
function probe(p: Assembler, at: number, bytes: number, unread: Label): void {
  p.move(r1, fp);
  p.alu('add', r1, at);
  p.set(r2, bytes);
  p.call(Helper.probeReadKernel);
  p.jumpIf('ne', r0, 0, unread);
}

/** Goes to `expressible` where the type of the super-frame r6 has a bit of those. r7, r8 are kept. */
function lookAtType(p: Assembler, gso: GsoLayout, expressible: Label): void {
  const unread = new Label();
  // skb_shinfo(skb)->gso_type; head + end is where the shared info begins (`end` is an offset on 64-bit kernels).
  p.move(r3, r6);
  p.alu('add', r3, gso.head);
  probe(p, -8, 8, unread);
  p.move(r3, r6);
  p.alu('add', r3, gso.end);
  probe(p, -16, 4, unread);
  p.load('dw', r3, fp, -8);
  p.load('w', r1, fp, -16);
  p.aluWith('add', r3, r1);
  p.alu('add', r3, gso.type);
  probe(p, -16, 4, unread);
  p.load('w', r0, fp, -16);
  p.jumpIf('set', r0, gso.expressible, expressible);
  p.place(unread);
}

/** The program. @param claimed ethertypes that the kernel's protocols take */
export function guardProgram(gso: GsoLayout, claimed: readonly number[]): Program {
  const p = new Assembler();
  const counters = p.map({
    name: 'guard',
    type: MapType.array,
    keyBytes: 4,
    valueBytes: COUNTERS.bytes,
    entries: 1,
    content: [],
  });
  const expressible = new Label();
  const pass = new Label();
  const settled = new Label();
  p.move(r6, r1);
  p.load('w', r0, r6, SkBuff.gsoSize);
  p.jumpIf('eq', r0, 0, expressible);
  lookAtType(p, gso, expressible);
  count(p, counters, COUNTERS.refused);
  p.set(r0, 0);
  p.exit();

  p.place(expressible);
  p.load('w', r0, r6, SkBuff.vlanPresent);
  p.jumpIf('eq', r0, 0, pass);
  p.load('w', r7, r6, SkBuff.protocol);
  p.load('w', r8, r6, SkBuff.vlanTci);
  // Behind a tag without VLAN id the kernel takes off the next one, too.
  for (let tag = 0; tag < TAGS; tag++) {
    const tagged = new Label();
    p.alu32('and', r8, 0xfff);
    p.jumpIf('ne', r8, 0, settled);
    p.jumpIf('eq', r7, swapped(EtherType.vlan), tagged);
    p.jumpIf('ne', r7, swapped(EtherType.serviceVlan), settled);
    p.place(tagged);
    p.move(r1, r6);
    p.set(r2, ETHERNET_HEADER + VLAN_TAG * tag);
    p.move(r3, fp);
    p.alu('add', r3, -8);
    p.set(r4, VLAN_TAG);
    p.call(Helper.skbLoadBytes);
    p.jumpIf('ne', r0, 0, pass);
    p.load('h', r8, fp, -8);
    p.fromBigEndian(r8, 16);
    p.load('h', r7, fp, -6);
  }
  p.place(settled);
  for (const type of claimed) p.jumpIf('eq', r7, swapped(type), pass);
  count(p, counters, COUNTERS.unclaimed);
  p.place(pass);
  p.set(r0, -1);
  p.exit();
  // bpf_probe_read_kernel is for GPL-compatible programs: these instructions are under either licence.
  return p.finish('rxsteer_guard', ProgramType.socketFilter, 'Dual MIT/GPL');
}

/**
 * A guard for any number of sockets of this network namespace; null where the kernel does not tell its types or does not
 * let us (CAP_BPF and CAP_PERFMON, lockdown): then a ring can die.
 */
export function openReceiveGuard(native: Native): ReceiveGuard | null {
  const layout = layoutOf(native);
  if (layout === null) return null;
  try {
    const claimed = claimedTypes(readFileSync('/proc/thread-self/net/ptype', 'latin1'));
    const { program, maps } = loadProgram(native, guardProgram(layout, claimed));
    return { program, counters: maps[0]! };
  } catch {
    return null;
  }
}

/** What the guard has counted since it was made; zeros where it cannot be read. */
export function readReceiveGuard(native: Native, counters: number): GuardCounters {
  try {
    const value = native.lookupBpfMap(counters, KEY);
    if (value === null) return { refused: 0, unclaimed: 0 };
    const view = new DataView(value.buffer, value.byteOffset);
    const at = (offset: number) => Number(view.getBigUint64(offset, true));
    return { refused: at(COUNTERS.refused), unclaimed: at(COUNTERS.unclaimed) };
  } catch {
    return { refused: 0, unclaimed: 0 };
  }
}
