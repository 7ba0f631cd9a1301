/**
 * The dissection of a NIC as a BPF program: where addresses and ports lie, into the stack at `INPUT`.
 *
 * Promise: the same answer as `packet/dissect.ts` for every frame with up to `TAGS_MAX` VLAN tags and `HEADERS_MAX` IPv6
 * extension headers; with more of them a frame has no ports (tags: no addresses). The verifier follows each of them
 * separately, hence the bound.
 */
import { Label } from '../bpf/assembler.js';
import { Reg } from '../bpf/opcodes.js';
import { ETHERNET_HEADER, EtherType, Protocol, VLAN_TAG } from '../packet/protocol.js';
import { type FrameAssembler, HEADER, INPUT, SLOT } from './frame.js';

export const TAGS_MAX = 16;
export const HEADERS_MAX = 16;

const TAGS = [EtherType.vlan, EtherType.serviceVlan, EtherType.oldServiceVlan];
const EXTENSIONS = [Protocol.hopByHop, Protocol.routing, Protocol.destination];
const PORT_BYTES = 4;
const NO_LIMIT = 0x7fff_ffff;
const { r0, r1, r2, r7, r8, fp } = Reg;

/** Where a program goes on, by what a frame is; absent protocols have no ports that matter. */
export interface Outcomes {
  /** No addresses: not IP, or a header that is cut short. */
  readonly other: Label;
  readonly ipv4: VersionOutcomes;
  readonly ipv6: VersionOutcomes;
}

/** Of one IP version: addresses lie at `INPUT`. */
export interface VersionOutcomes {
  readonly plain: Label;
  readonly fragment: Label;
  /** By protocol number: ports lie behind the addresses. */
  readonly ports: ReadonlyMap<number, Label>;
}

/** Adds the dissection; nothing falls through. */
export function dissect(p: FrameAssembler, to: Outcomes): void {
  p.set(r7, ETHERNET_HEADER);
  p.fetch(ETHERNET_HEADER - 2, null, HEADER, 2, to.other);
  p.loadNetwork('h', r8, HEADER);
  const network = new Label();
  for (let i = 0; i < TAGS_MAX; i++) {
    const tagged = new Label();
    p.jumpIfAny(r8, TAGS, tagged);
    p.goto(network);
    p.place(tagged);
    p.fetchNetwork(0, HEADER, VLAN_TAG, to.other);
    p.loadNetwork('h', r8, HEADER + 2);
    p.alu('add', r7, VLAN_TAG);
  }
  p.place(network);
  const ipv6 = new Label();
  const ipv4 = new Label();
  p.jumpIf('eq', r8, EtherType.ipv4, ipv4);
  p.jumpIf('eq', r8, EtherType.ipv6, ipv6);
  p.goto(to.other);
  p.place(ipv4);
  dissectIpv4(p, to.other, to.ipv4);
  p.place(ipv6);
  dissectIpv6(p, to.other, to.ipv6);
}

/** Goes to `other` where the version in the first byte is not this one. */
function checkVersion(p: FrameAssembler, version: number, other: Label): void {
  p.load('b', r0, fp, HEADER);
  p.alu('rsh', r0, 4);
  p.jumpIf('ne', r0, version, other);
}

function dissectIpv4(p: FrameAssembler, other: Label, to: VersionOutcomes): void {
  p.fetchNetwork(0, HEADER, 20, other);
  checkVersion(p, 4, other);
  p.copyWords(HEADER + 12, INPUT, 2);
  p.loadNetwork('h', r0, HEADER + 6);
  // More fragments, or an offset.
  p.alu('and', r0, 0x3fff);
  p.jumpIf('ne', r0, 0, to.fragment);
  for (const [protocol, found] of to.ports) {
    const next = new Label();
    p.load('b', r0, fp, HEADER + 9);
    p.jumpIf('ne', r0, protocol, next);
    p.load('b', r8, fp, HEADER);
    p.alu('and', r8, 15);
    p.alu('lsh', r8, 2);
    p.jumpIf('lt', r8, 20, to.plain);
    // Behind what the length says there are no ports, padding or not; 0 means all that is there.
    p.loadNetwork('h', r1, HEADER + 2);
    const whole = new Label();
    p.jumpIf('eq', r1, 0, whole);
    p.move(r2, r8);
    p.alu('add', r2, PORT_BYTES);
    p.jumpIfWith('gt', r2, r1, to.plain);
    p.place(whole);
    p.aluWith('add', r8, r7);
    p.fetch(0, r8, INPUT + 8, PORT_BYTES, to.plain);
    p.goto(found);
    p.place(next);
  }
  p.goto(to.plain);
}

function dissectIpv6(p: FrameAssembler, other: Label, to: VersionOutcomes): void {
  p.fetchNetwork(0, HEADER, 40, other);
  checkVersion(p, 6, other);
  p.copyWords(HEADER + 8, INPUT, 8);
  // The end of the packet, counted from its header.
  p.loadNetwork('h', r1, HEADER + 4);
  const limited = new Label();
  const known = new Label();
  p.jumpIf('ne', r1, 0, limited);
  p.set(r1, NO_LIMIT - 40);
  p.place(limited);
  p.alu('add', r1, 40);
  p.store('w', fp, SLOT.limit, r1);
  p.load('b', r0, fp, HEADER + 6);
  p.store('w', fp, SLOT.protocol, r0);
  // r8: where the next header lies, from the first.
  p.set(r8, 40);
  for (let i = 0; i <= HEADERS_MAX; i++) {
    const extension = new Label();
    p.load('w', r0, fp, SLOT.protocol);
    p.jumpIf('eq', r0, Protocol.fragment, to.fragment);
    p.jumpIfAny(r0, EXTENSIONS, extension);
    p.goto(known);
    p.place(extension);
    if (i === HEADERS_MAX) p.goto(to.plain);
    else walkExtension(p, to.plain);
  }
  p.place(known);
  for (const [protocol, found] of to.ports) {
    const next = new Label();
    p.load('w', r0, fp, SLOT.protocol);
    p.jumpIf('ne', r0, protocol, next);
    checkLimit(p, PORT_BYTES, to.plain);
    p.aluWith('add', r8, r7);
    p.fetch(0, r8, INPUT + 32, PORT_BYTES, to.plain);
    p.goto(found);
    p.place(next);
  }
  p.goto(to.plain);
}

/** Goes to `plain` where r8 + bytes lies behind the packet. */
function checkLimit(p: FrameAssembler, bytes: number, plain: Label): void {
  p.move(r1, r8);
  if (bytes > 0) p.alu('add', r1, bytes);
  p.load('w', r2, fp, SLOT.limit);
  p.jumpIfWith('gt', r1, r2, plain);
}

/** Passes over the header at r8, if it is whole. */
function walkExtension(p: FrameAssembler, plain: Label): void {
  checkLimit(p, 8, plain);
  const at = HEADER;
  p.move(r2, r8);
  p.aluWith('add', r2, r7);
  // Next header, and the length in units of 8 bytes beyond the first.
  p.fetch(0, r2, at, 2, plain);
  p.load('b', r0, fp, at);
  p.store('w', fp, SLOT.protocol, r0);
  p.load('b', r0, fp, at + 1);
  p.alu('add', r0, 1);
  p.alu('lsh', r0, 3);
  p.aluWith('add', r8, r0);
  checkLimit(p, 0, plain);
  // Its last byte is there.
  p.move(r2, r8);
  p.aluWith('add', r2, r7);
  p.fetch(-1, r2, at, 1, plain);
}
