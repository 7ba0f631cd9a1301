/**
 * What may differ between a flow and those that are looked for: fields of its first packet, as the bits of one number.
 *
 * Promise: a *difference* names one flow of the space: XOR of the low bits of each field, the first field lowest. 0 is
 * the flow itself. Ports that a program cannot have, and the first and last address of a block of 256 in IPv4, are in
 * the space but not usable. Pure.
 */
import { UserError } from '../../errors.js';
import { type Burst, Kind } from '../../packet/burst.js';

/** Fields that may vary. */
export const FLOW_FIELDS = ['sport', 'dport', 'src', 'dst', 'src-mac', 'dst-mac'] as const;
/** One of `FLOW_FIELDS`. */
export type FlowField = (typeof FLOW_FIELDS)[number];

/** Fields as people call them. */
export const FIELD_WORDS: Readonly<Record<FlowField, string>> = {
  sport: 'source port',
  dport: 'destination port',
  src: 'source address',
  dst: 'destination address',
  'src-mac': 'source MAC',
  'dst-mac': 'destination MAC',
};

/** Bits of a port; of an address or a MAC address the lowest bits that vary. */
const PORT_BITS = 16;
const ADDRESS_BITS = 24;
/** Lowest port that needs no privilege. */
const FREE_PORT = 1024;

interface Place {
  readonly field: FlowField;
  /** Offset of the field's last byte in the frame. */
  readonly end: number;
  readonly bits: number;
  /** Its bits in the flow that the others are like. */
  readonly origin: number;
}

/** Where a field ends in frame 0 of a dissected burst. @throws UserError where the packet has no such field */
function endOf(field: FlowField, burst: Burst): number {
  const off = burst.off[0]!;
  if (field === 'dst-mac') return 5;
  if (field === 'src-mac') return 11;
  const ip = burst.l3[0]! - off;
  const isIpv4 = (burst.kind[0]! & Kind.ipMask) === Kind.ipv4;
  if (field === 'src') return ip + (isIpv4 ? 15 : 23);
  if (field === 'dst') return ip + (isIpv4 ? 19 : 39);
  if ((burst.kind[0]! & Kind.ports) === 0) throw new UserError(`--vary: ${field}: such a flow has no ports`);
  return burst.l4[0]! - off + (field === 'sport' ? 1 : 3);
}

/** Some fields of a frame. */
export class FlowSpace {
  readonly #places: readonly Place[];
  readonly #isIpv4: boolean;
  readonly bits: number;

  /** @param burst dissected, with the packet that the others are like as frame 0. @throws UserError */
  constructor(
    readonly fields: readonly FlowField[],
    burst: Burst,
  ) {
    this.#isIpv4 = (burst.kind[0]! & Kind.ipMask) === Kind.ipv4;
    this.#places = fields.map((field) => {
      const end = endOf(field, burst);
      const bits = field === 'sport' || field === 'dport' ? PORT_BITS : ADDRESS_BITS;
      const at = burst.off[0]! + end;
      const low = (burst.bytes[at - 1]! << 8) | burst.bytes[at]!;
      return { field, end, bits, origin: bits > 16 ? (burst.bytes[at - 2]! << 16) | low : low };
    });
    this.bits = this.#places.reduce((sum, { bits }) => sum + bits, 0);
  }

  /** Writes a flow of the space into a copy of the frame. */
  write(bytes: Uint8Array, off: number, difference: bigint): void {
    let rest = difference;
    for (const { end, bits, origin } of this.#places) {
      const value = origin ^ Number(BigInt.asUintN(bits, rest));
      rest >>= BigInt(bits);
      for (let k = 0; k < bits >> 3; k++) bytes[off + end - k] = value >>> (8 * k);
    }
  }

  /** Whether somebody could have such a flow. */
  isUsable(difference: bigint): boolean {
    let rest = difference;
    for (const { field, bits, origin } of this.#places) {
      const low = Number(BigInt.asUintN(bits, rest));
      rest >>= BigInt(bits);
      const value = origin ^ low;
      if (low === 0) continue;
      if (field === 'sport' && value < (origin < FREE_PORT ? 1 : FREE_PORT)) return false;
      if (field === 'dport' && value === 0) return false;
      const isHost = field === 'src' || field === 'dst';
      if (isHost && this.#isIpv4 && ((value & 255) === 0 || (value & 255) === 255)) return false;
      if (isHost && value === 0) return false;
    }
    return true;
  }

  /**
   * A number by which flows are put in order: fields from the last, each ascending from its value in the flow that the
   * others are like, and round.
   */
  rank(difference: bigint): bigint {
    let [rest, shift, rank] = [difference, 0n, 0n];
    for (const { bits, origin } of this.#places) {
      const value = origin ^ Number(BigInt.asUintN(bits, rest));
      rank |= BigInt.asUintN(bits, BigInt(value - origin)) << shift;
      rest >>= BigInt(bits);
      shift += BigInt(bits);
    }
    return rank;
  }
}
