/**
 * A program at a device's way out that takes VLAN tags out of the frame and puts them where the kernel keeps them.
 *
 * Why: a packet socket sends a tagged frame with the tag inside, and moves the network header behind the tag. The kernel's
 * flow hash then takes the IP header for the tag: what it hashes is the packet's length, and a flow's frames of different
 * lengths take different transmit queues and overtake each other. With the tag beside the frame (`skb->vlan_tci`), as the
 * kernel's own VLAN devices send it, the hash is the flow's.
 *
 * Promise: for as long as the descriptor lives, every frame that leaves through the device with a tag inside is hashed by
 * its flow; everything else passes untouched, and so does the frame on the wire. Nothing stays at the device.
 *
 * Source of the behaviour: packet_parse_headers (net/packet/af_packet.c), __skb_flow_dissect, BPF_TCX_EGRESS of Linux 6.18;
 * the hook is there since 6.6.
 */
import { loadProgram } from '../addon/bpf.js';
import type { Native } from '../addon/native.js';
import { Assembler, Label, type Program } from '../bpf/assembler.js';
import { AttachType, Helper, ProgramType, Reg, SkBuff } from '../bpf/opcodes.js';
import { ETHERNET_HEADER, EtherType } from '../packet/protocol.js';

const { r0, r1, r2, r3, r4, r6, r7, r8, fp } = Reg;
/** TCX_NEXT: the device's other programs decide. */
const NEXT = -1;

/** The program: r6 the packet, r7 its ethertype in network order, r8 the tag. */
export function tagProgram(): Program {
  const p = new Assembler();
  const pass = new Label();
  const tagged = new Label();
  const swapped = (value: number) => ((value & 0xff) << 8) | (value >> 8);
  p.move(r6, r1);
  p.load('w', r0, r6, SkBuff.vlanPresent);
  p.jumpIf('ne', r0, 0, pass);
  p.load('w', r7, r6, SkBuff.protocol);
  p.jumpIf('eq', r7, swapped(EtherType.vlan), tagged);
  p.jumpIf('ne', r7, swapped(EtherType.serviceVlan), pass);
  p.place(tagged);
  p.move(r1, r6);
  p.set(r2, ETHERNET_HEADER);
  p.move(r3, fp);
  p.alu('add', r3, -8);
  p.set(r4, 2);
  p.call(Helper.skbLoadBytes);
  p.jumpIf('ne', r0, 0, pass);
  p.load('h', r8, fp, -8);
  p.fromBigEndian(r8, 16);
  // The tag behind it, if there is one, comes out with it; pushing puts that one back.
  p.move(r1, r6);
  p.call(Helper.skbVlanPop);
  p.jumpIf('ne', r0, 0, pass);
  p.move(r1, r6);
  p.move(r2, r7);
  p.move(r3, r8);
  p.call(Helper.skbVlanPush);
  p.place(pass);
  p.set(r0, NEXT);
  p.exit();
  return p.finish('rxsteer_tags', ProgramType.schedCls, 'Dual MIT/GPL');
}

/** For a device of this network namespace; its descriptor, or null where the kernel does not allow it. */
export function openTagMover(native: Native, ifindex: number): number | null {
  try {
    const loaded = loadProgram(native, tagProgram());
    try {
      return native.linkBpf(loaded.program, ifindex, AttachType.tcxEgress, 0);
    } finally {
      loaded.close();
    }
  } catch {
    return null;
  }
}
