/**
 * Datagrams cut into real IP fragments (RFC 791; RFC 8200, 4.5).
 *
 * Promise: all fragments of a datagram have its identification; all but the last have the more-fragments bit and a
 * length that is a multiple of 8; the transport header is in the first one only and its checksum covers the whole
 * datagram. Inside tunnels the inner packet is cut. Fragments fit an MTU of 1500 bytes.
 */
import { putUint16, storeIpv4Checksum } from '../packet/checksum.js';
import type { FlowTable } from './flows.js';
import { FRAME_MIN } from './sizes.js';
import { protocolNumber, type Template } from './templates.js';
import type { TransportWriter } from './transport-writer.js';

const MTU = 1500;
const FRAGMENT_HEADER = 8;
/** Bits of the transport flags byte that a cut TCP segment has: PSH and ACK. */
const DATA_FLAGS = 0x18;

/** How many datagrams are cut in two and in three, so that `share` of so many packets are fragments. */
export function fragmentPlan(packets: number, share: number): { two: number; three: number } {
  const wanted = Math.round(packets * share);
  // A seventh of the cut datagrams is in three: middle fragments, with offset and more-fragments bit, occur too.
  let three = Math.floor(wanted / 15);
  // What three leave must be even.
  if ((wanted - 3 * three) % 2 === 1 && 3 * (three + 1) <= wanted) three++;
  return { two: Math.floor((wanted - 3 * three) / 2), three };
}

/** Gives the fragments of one datagram after the other. */
export class FragmentCutter {
  /** Fragments of the datagram that are still to come. */
  left = 0;
  /** Transport header and payload of the datagram. */
  readonly #bytes = new Uint8Array(4 * MTU);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #offset = 0;
  #unit = 0;
  #entry = 0;
  #id = 0;
  #template!: Template;

  constructor(
    readonly flows: FlowTable,
    readonly payload: Uint8Array,
  ) {}

  /** Begins a datagram of an entry in `pieces` fragments, the last of about `size` bytes. */
  start(maker: TransportWriter, entry: number, pieces: number, size: number, id: number): void {
    const { flows } = this;
    const kind = flows.kinds[entry]!;
    const template = flows.templates[kind]!;
    const { l3, l4, bytes } = template;
    const header = bytes.length - l4;
    const link = 14 + 4 * template.kind.tags;
    const ip = template.kind.version === 4 ? 20 : 40 + FRAGMENT_HEADER;
    this.#unit = (MTU - (l3 - link) - ip) & ~7;
    // Whole words: an SCTP chunk needs them, the others do not mind.
    const last = Math.max(8, Math.min(this.#unit, size - l4)) & ~3;
    this.#length = (pieces - 1) * this.#unit + last;
    const extra = this.#length - header;
    const at = entry * flows.stride;
    this.#bytes.set(flows.pool.subarray(at + l4, at + bytes.length));
    this.#bytes.set(this.payload.subarray(0, extra), header);
    maker.transport(this.#view, 0, entry, kind, extra, DATA_FLAGS);
    if (template.kind.protocol === 'sctp') maker.storeCrc(this.#bytes, this.#view, 0, this.#length);
    this.#offset = 0;
    this.#entry = entry;
    this.#template = template;
    this.#id = id;
    this.left = pieces;
  }

  /** Writes the next fragment's frame to `bytes[at…]`; gives its length. */
  next(bytes: Uint8Array, view: DataView, at: number): number {
    const { flows } = this;
    const template = this.#template;
    const { kind, l3, l4 } = template;
    const from = this.#entry * flows.stride;
    const offset = this.#offset;
    this.left--;
    const more = this.left > 0;
    const part = more ? this.#unit : this.#length - offset;
    bytes.set(flows.pool.subarray(from, from + l4), at);
    let end = at + l4;
    if (kind.version === 4) {
      putUint16(bytes, at + l3 + 2, 20 + part);
      putUint16(bytes, at + l3 + 4, this.#id);
      putUint16(bytes, at + l3 + 6, (more ? 0x2000 : 0) | (offset >> 3));
      storeIpv4Checksum(bytes, at + l3, 20);
    } else {
      putUint16(bytes, at + l3 + 4, FRAGMENT_HEADER + part);
      bytes[at + l3 + 6] = 44;
      bytes[end] = protocolNumber(kind.protocol, 6);
      bytes[end + 1] = 0;
      putUint16(bytes, end + 2, offset | (more ? 1 : 0));
      view.setUint32(end + 4, this.#id);
      end += FRAGMENT_HEADER;
    }
    bytes.set(this.#bytes.subarray(offset, offset + part), end);
    end += part;
    const grown = end - at - template.bytes.length;
    for (const place of template.outerLengths) {
      putUint16(bytes, at + place, view.getUint16(at + place) + grown);
    }
    if (template.outerL3 >= 0) storeIpv4Checksum(bytes, at + template.outerL3, 20);
    this.#offset = offset + part;
    const length = end - at;
    if (length >= FRAME_MIN) return length;
    bytes.fill(0, end, at + FRAME_MIN);
    return FRAME_MIN;
  }
}
