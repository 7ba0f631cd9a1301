/**
 * Decoder of pcapng (draft-ietf-opsawg-pcapng): sections in either byte order, several interfaces with their
 * resolution, offset and FCS length, enhanced, simple and the obsolete packet blocks. Other blocks are passed over.
 *
 * Promise: see `Decoder`. A packet block is needed in the window up to the end of its packet, and with its options
 * where these are short, since they may state the packet's direction; longer ones and the closing length are passed
 * over.
 */
import type { Decoder } from './decode.js';
import {
  BATCH_MAX,
  type CaptureBatch,
  Direction,
  HEADER_BLOCK_MAX,
  INTERFACES_MAX,
  isSupportedLinkType,
  PACKET_BYTES_MAX,
} from './format.js';
import { TickClock } from './time.js';

/** Block types. */
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const BYTE_ORDER = 0x1a2b3c4d;
const BYTE_ORDER_SWAPPED = 0x4d3c2b1a;

/** Interface options. */
const IF_TSRESOL = 9;
const IF_FCSLEN = 13;
const IF_TSOFFSET = 14;
/** Option of packet blocks: a word of flags, whose two lowest bits are the direction (1 received, 2 sent). */
const PACKET_FLAGS = 2;
/** Options of a packet that are looked at: what is longer holds comments. */
const OPTIONS_MAX = 4096;

interface Interface {
  readonly linkType: number;
  readonly supported: boolean;
  readonly snapLength: number;
  readonly fcsBytes: number;
  readonly clock: TickClock;
}

export class PcapngDecoder implements Decoder {
  need = 28;
  skip = 0;
  damage = '';
  linkType = -1;
  skipped = 0;
  skippedLinkType = -1;
  private little = false;
  private interfaces: Interface[] = [];

  decode(bytes: Uint8Array, start: number, end: number, batch: CaptureBatch): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = start;
    while (batch.n < BATCH_MAX && this.skip === 0) {
      this.need = 12;
      if (end - at < 12) break;
      const consumed = this.block(view, at, end, batch);
      at += consumed;
      if (consumed === 0) break;
      // What is to be passed over and already here.
      const here = Math.min(this.skip, end - at);
      at += here;
      this.skip -= here;
    }
    return at - start;
  }

  /** Reads one block; returns the bytes consumed, 0 when more are needed or the file is damaged. */
  private block(view: DataView, at: number, end: number, batch: CaptureBatch): number {
    if (view.getUint32(at) === SECTION) return this.section(view, at, end);
    const type = view.getUint32(at, this.little);
    const length = view.getUint32(at + 4, this.little);
    if (length < 12 || (length & 3) !== 0) return this.fail(`impossible block length ${length}`);
    switch (type) {
      case INTERFACE:
        return this.interface(view, at, end, length);
      case ENHANCED_PACKET:
      case OLD_PACKET:
        return this.packet(view, at, end, length, type === OLD_PACKET, batch);
      case SIMPLE_PACKET:
        return this.simplePacket(view, at, end, length, batch);
      default:
        this.skip = length - 12;
        return 12;
    }
  }

  private fail(reason: string): number {
    this.damage = reason;
    return 0;
  }

  private section(view: DataView, at: number, end: number): number {
    this.need = 28;
    if (end - at < 28) return 0;
    const mark = view.getUint32(at + 8);
    if (mark !== BYTE_ORDER && mark !== BYTE_ORDER_SWAPPED) {
      return this.fail('a section header without byte-order magic');
    }
    this.little = mark === BYTE_ORDER_SWAPPED;
    const length = view.getUint32(at + 4, this.little);
    if (length < 28 || (length & 3) !== 0) return this.fail(`impossible block length ${length}`);
    const major = view.getUint16(at + 12, this.little);
    if (major !== 1) return this.fail(`pcapng version ${major} is not supported (1 is)`);
    this.interfaces = [];
    this.skip = length - 28;
    return 28;
  }

  private interface(view: DataView, at: number, end: number, length: number): number {
    if (length < 20 || length > HEADER_BLOCK_MAX) return this.fail(`impossible block length ${length}`);
    this.need = length;
    if (end - at < length) return 0;
    if (this.interfaces.length >= INTERFACES_MAX) return this.fail(`more than ${INTERFACES_MAX} interfaces`);
    const little = this.little;
    let resolution = 6;
    let offset = 0;
    let fcsBytes = 0;
    let option = at + 16;
    const last = at + length - 4;
    while (last - option >= 4) {
      const code = view.getUint16(option, little);
      const size = view.getUint16(option + 2, little);
      const value = option + 4;
      if (code === 0 || last - value < size) break;
      if (code === IF_TSRESOL && size >= 1) resolution = view.getUint8(value);
      else if (code === IF_FCSLEN && size >= 1) fcsBytes = view.getUint8(value);
      else if (code === IF_TSOFFSET && size >= 8) {
        const high = view.getInt32(little ? value + 4 : value, little);
        offset = high * 0x1_0000_0000 + view.getUint32(little ? value : value + 4, little);
      }
      option = value + ((size + 3) & ~3);
    }
    const linkType = view.getUint16(at + 8, little);
    if (this.linkType < 0) this.linkType = linkType;
    this.interfaces.push({
      linkType,
      supported: isSupportedLinkType(linkType),
      snapLength: view.getUint32(at + 12, little),
      fcsBytes,
      clock: new TickClock(resolution, offset),
    });
    return length;
  }

  private packet(
    view: DataView,
    at: number,
    end: number,
    length: number,
    old: boolean,
    batch: CaptureBatch,
  ): number {
    if (length < 32) return this.fail(`impossible block length ${length}`);
    this.need = 28;
    if (end - at < 28) return 0;
    const little = this.little;
    const captured = view.getUint32(at + 20, little);
    if (captured > PACKET_BYTES_MAX || captured > length - 32) {
      return this.fail(`impossible packet length ${captured}`);
    }
    const options = 28 + ((captured + 3) & ~3);
    const hasOptions = length - 4 - options >= 8 && length - options <= OPTIONS_MAX;
    this.need = hasOptions ? length : 28 + captured;
    if (end - at < this.need) return 0;
    const source = this.interfaces[old ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little)];
    if (source?.supported) {
      source.clock.set(view.getUint32(at + 12, little), view.getUint32(at + 16, little));
      const direction = hasOptions ? this.direction(view, at + options, at + length - 4) : 0;
      this.add(batch, at + 28, captured, view.getUint32(at + 24, little), source, direction);
    } else this.leaveOut(source);
    this.skip = length - 28 - captured;
    return 28 + captured;
  }

  private simplePacket(view: DataView, at: number, end: number, length: number, batch: CaptureBatch): number {
    if (length < 16) return this.fail(`impossible block length ${length}`);
    const original = view.getUint32(at + 8, this.little);
    const source = this.interfaces[0];
    const snapLength = source === undefined || source.snapLength === 0 ? original : source.snapLength;
    const captured = Math.min(original, snapLength, length - 16);
    if (captured > PACKET_BYTES_MAX) return this.fail(`impossible packet length ${captured}`);
    this.need = 12 + captured;
    if (end - at < this.need) return 0;
    if (source?.supported) {
      source.clock.seconds = 0;
      source.clock.nanoseconds = 0;
      this.add(batch, at + 12, captured, original, source, Direction.unknown);
    } else this.leaveOut(source);
    this.skip = length - 12 - captured;
    return 12 + captured;
  }

  /** The direction that the options between `option` and `last` state. */
  private direction(view: DataView, option: number, last: number): number {
    const little = this.little;
    let at = option;
    while (last - at >= 8) {
      const code = view.getUint16(at, little);
      const size = view.getUint16(at + 2, little);
      if (code === 0) break;
      if (code === PACKET_FLAGS && size >= 4) {
        const bits = view.getUint32(at + 4, little) & 3;
        return bits === 3 ? Direction.unknown : bits;
      }
      at += 4 + ((size + 3) & ~3);
    }
    return Direction.unknown;
  }

  private leaveOut(source: Interface | undefined): void {
    this.skipped++;
    if (source !== undefined && this.skippedLinkType < 0) this.skippedLinkType = source.linkType;
  }

  private add(
    batch: CaptureBatch,
    data: number,
    captured: number,
    original: number,
    source: Interface,
    direction: number,
  ): void {
    const n = batch.n;
    const wire = Math.max(original - source.fcsBytes, 0);
    const cut = Math.max(0, captured - wire);
    const length = captured - Math.min(cut, source.fcsBytes);
    batch.off[n] = data;
    batch.len[n] = length;
    batch.original[n] = Math.max(wire, length);
    batch.fcs[n] = original - wire;
    batch.linkType[n] = source.linkType;
    batch.direction[n] = direction;
    if (direction !== Direction.unknown) batch.stated = true;
    batch.seconds[n] = source.clock.seconds;
    batch.nanoseconds[n] = source.clock.nanoseconds;
    batch.n = n + 1;
  }
}
