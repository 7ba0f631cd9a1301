/**
 * MAC steering as BPF programs: owners from a map, or a hash of the addresses.
 *
 * Promise: a destination with an owner goes to it, first by its VLAN, then on any; everything else (group addresses, those
 * without an owner) to one worker. The map of owners can be written while the program runs; it learns nothing itself.
 */
import { Label, type MapSpec } from '../bpf/assembler.js';
import { Helper, MapType, Reg, SkBuff } from '../bpf/opcodes.js';
import { parseMac } from '../mac/address.js';
import { EtherType } from '../packet/protocol.js';
import type { GuestOwner } from '../policy/owners.js';
import { type FrameAssembler, HEADER, INPUT } from './frame.js';
import { ToeplitzCode } from './toeplitz.js';

const { r0, r1, r2, r6, r8, fp } = Reg;
const MAC_BYTES = 6;
const KEY_BYTES = 8;
/** Stands for every VLAN: no id has so many bits. */
const ANY_VLAN = 0xffff;

/** Key of an owner: the address as on the wire, then the VLAN (0: untagged) in the machine's order. */
export function ownerKey(mac: string, vlan: number | null): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  const { high, low } = parseMac(mac, 'owner');
  view.setUint16(0, high);
  view.setUint32(2, low >>> 0);
  view.setUint16(6, vlan ?? ANY_VLAN, true);
  return key;
}

/** The map of owners. @param room entries that can be added later */
export function ownerMap(owners: readonly GuestOwner[], room: number): MapSpec {
  const content = owners.map(({ mac, vlan, worker }) => {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, worker, true);
    return [ownerKey(mac, vlan), value] as const;
  });
  const entries = Math.max(room, owners.length, 1);
  return { name: 'owners', type: MapType.hash, keyBytes: KEY_BYTES, valueBytes: 4, entries, content };
}

/** r0 = the owner's worker. @param to room in the map; the worker of `other` frames */
export function addOwners(
  p: FrameAssembler,
  owners: readonly GuestOwner[],
  to: { readonly room: number; readonly other: number },
): void {
  const map = p.map(ownerMap(owners, to.room));
  const none = new Label();
  const found = new Label();
  const done = new Label();
  p.fetch(0, null, INPUT, MAC_BYTES, none);
  p.load('b', r0, fp, INPUT);
  p.alu('and', r0, 1);
  p.jumpIf('ne', r0, 0, none);
  addVlan(p);
  for (const isAny of [false, true]) {
    if (isAny) p.set(r8, ANY_VLAN);
    p.store('h', fp, INPUT + MAC_BYTES, r8);
    p.loadMap(r1, map);
    p.move(r2, fp);
    p.alu('add', r2, INPUT);
    p.call(Helper.mapLookup);
    p.jumpIf('ne', r0, 0, found);
  }
  p.place(none);
  p.set(r0, to.other);
  p.goto(done);
  p.place(found);
  p.load('w', r0, r0, 0);
  p.place(done);
}

/** r8 = VLAN of the outer tag, 0 without one: the kernel has taken it out of a received frame already, XDP sees it in the frame. */
function addVlan(p: FrameAssembler): void {
  const known = new Label();
  const tagged = new Label();
  p.set(r8, 0);
  if (p.start !== 'xdp') {
    const inside = new Label();
    p.load('w', r0, r6, SkBuff.vlanPresent);
    p.jumpIf('eq', r0, 0, inside);
    p.load('w', r8, r6, SkBuff.vlanTci);
    p.goto(known);
    p.place(inside);
  }
  p.fetch(12, null, HEADER, 6, known);
  p.loadNetwork('h', r0, HEADER);
  p.jumpIfAny(r0, [EtherType.vlan, EtherType.serviceVlan, EtherType.oldServiceVlan], tagged);
  p.goto(known);
  p.place(tagged);
  p.loadNetwork('h', r8, HEADER + 2);
  p.place(known);
  p.alu('and', r8, 0xfff);
}

/** r0 = what the table says for the hash of `length` bytes of the frame at `offset`; 0 where it has fewer. */
export function addMacHash(
  p: FrameAssembler,
  key: Uint8Array,
  [offset, length]: readonly [number, number],
  results: ArrayLike<number>,
): void {
  const code = new ToeplitzCode(p, { key, inputBytes: length, results });
  const short = new Label();
  const done = new Label();
  code.prepare();
  p.fetch(offset, null, INPUT, length, short);
  code.begin(0);
  code.add(0, length);
  code.lookUp();
  p.goto(done);
  p.place(short);
  p.set(r0, 0);
  p.place(done);
}
