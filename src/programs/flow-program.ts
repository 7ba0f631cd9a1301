/**
 * The program of a multi-queue TAP whose queue shall depend on the flow and on nothing else.
 *
 * Promise: a hash of addresses, protocol and ports of 16 bits; all fragments of a packet have one, what is not IP is hashed
 * by its MAC addresses; a frame that is too short keeps the hash of what was there. Up to two VLAN tags are skipped; ports
 * count where they directly follow the IP header. Pure.
 *
 * Why its own: `skb->hash` is random per connection for local senders, and bpf_get_hash_recalc is not for socket filters.
 */
import { Label, type Program } from '../bpf/assembler.js';
import { ProgramType, Reg, type Register } from '../bpf/opcodes.js';
import { ETHERNET_HEADER, EtherType, Protocol } from '../packet/protocol.js';
import { FrameAssembler, HEADER } from './frame.js';

const { r0, r2, r7, r8, r9, fp } = Reg;
const TAGS = 2;
/** An odd number whose bits are even: every bit of what it multiplies reaches the high ones. */
const FACTOR = 0x9e3779b1;
const PORTED = [Protocol.tcp, Protocol.udp, Protocol.sctp];

/** r8 = mix of r8 and r2. */
function mix(p: FrameAssembler): void {
  p.alu32With('xor', r8, r2);
  p.alu32('mul', r8, FACTOR);
  p.alu32With('mov', r2, r8);
  p.alu32('rsh', r2, 15);
  p.alu32With('xor', r8, r2);
}

function mixWords(p: FrameAssembler, from: number, to: number): void {
  for (let at = from; at < to; at += 4) {
    p.load('w', r2, fp, HEADER + at);
    mix(p);
  }
}

function mixByte(p: FrameAssembler, at: number): void {
  p.load('b', r2, fp, HEADER + at);
  mix(p);
}

/** Goes to `done` where the protocol in a byte of the header has no ports. */
function unlessPorts(p: FrameAssembler, at: number, done: Label): void {
  const ported = new Label();
  p.load('b', r2, fp, HEADER + at);
  p.jumpIfAny(r2, PORTED, ported);
  p.goto(done);
  p.place(ported);
}

function addPorts(p: FrameAssembler, base: Register, from: number, done: Label): void {
  p.fetch(from, base, HEADER, 4, done);
  mixWords(p, 0, 4);
  p.goto(done);
}

/** The program. */
export function flowProgram(): Program {
  const p = new FrameAssembler('data');
  const done = new Label();
  const ip = new Label();
  const ipv4 = new Label();
  const ipv6 = new Label();
  p.set(r7, ETHERNET_HEADER);
  p.set(r8, 0);
  p.fetch(0, null, HEADER, ETHERNET_HEADER, done);
  p.loadNetwork('h', r9, HEADER + 12);
  for (let tag = 0; tag < TAGS; tag++) {
    const tagged = new Label();
    p.jumpIfAny(r9, [EtherType.vlan, EtherType.serviceVlan], tagged);
    p.goto(ip);
    p.place(tagged);
    // Behind the MAC addresses, which may be needed yet.
    p.fetchNetwork(2, HEADER + 16, 2, done);
    p.loadNetwork('h', r9, HEADER + 16);
    p.alu('add', r7, 4);
  }
  p.place(ip);
  p.jumpIf('eq', r9, EtherType.ipv4, ipv4);
  p.jumpIf('eq', r9, EtherType.ipv6, ipv6);
  mixWords(p, 0, 12);
  p.goto(done);

  p.place(ipv4);
  p.fetchNetwork(0, HEADER, 20, done);
  mixWords(p, 12, 20);
  mixByte(p, 9);
  p.loadNetwork('h', r2, HEADER + 6);
  // More fragments, or an offset.
  p.alu32('and', r2, 0x3fff);
  p.jumpIf('ne', r2, 0, done);
  unlessPorts(p, 9, done);
  p.load('b', r9, fp, HEADER);
  p.alu32('and', r9, 15);
  p.alu32('lsh', r9, 2);
  p.aluWith('add', r9, r7);
  addPorts(p, r9, 0, done);

  p.place(ipv6);
  p.fetchNetwork(0, HEADER, 40, done);
  mixWords(p, 8, 40);
  mixByte(p, 6);
  unlessPorts(p, 6, done);
  addPorts(p, r7, 40, done);

  p.place(done);
  // tun takes the low 16 bits, modulo the number of queues.
  p.alu32With('mov', r0, r8);
  p.alu32('rsh', r0, 16);
  p.alu32With('xor', r0, r8);
  p.alu32('and', r0, 0xffff);
  p.exit();
  return p.finish('rxsteer_tap', ProgramType.socketFilter);
}
