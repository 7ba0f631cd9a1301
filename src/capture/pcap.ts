/**
 * Decoder of classic pcap (draft-ietf-opsawg-pcap): micro- and nanosecond magics in both byte orders, and the
 * "modified" variant with 8 more bytes in each record header; versions before 2.4, whose lengths may stand the other way
 * round (as libpcap reads them).
 *
 * Promise: see `Decoder`.
 */
import type { Decoder } from './decode.js';
import { BATCH_MAX, type CaptureBatch, isSupportedLinkType, PACKET_BYTES_MAX } from './format.js';

const FILE_HEADER = 24;
const MICRO = 0xa1b2c3d4;
const NANO = 0xa1b23c4d;
const MODIFIED = 0xa1b2cd34;

/** Whether a big-endian 32-bit word is one of pcap's magics: 0 no, 1 big-endian file, 2 little-endian file. */
export function pcapOrder(word: number): 0 | 1 | 2 {
  if (word === MICRO || word === NANO || word === MODIFIED) return 1;
  if (word === 0xd4c3b2a1 || word === 0x4d3cb2a1 || word === 0x34cdb2a1) return 2;
  return 0;
}

export class PcapDecoder implements Decoder {
  need = FILE_HEADER;
  skip = 0;
  damage = '';
  linkType = -1;
  skipped = 0;
  skippedLinkType = -1;
  private started = false;
  private little = false;
  private recordHeader = 16;
  private perTick = 1000;
  /** Where a record's two lengths stand: before version 2.3 the other way round, in 2.3 either way. */
  private capturedAt = 8;
  private isEither = false;
  private fcsBytes = 0;

  decode(bytes: Uint8Array, start: number, end: number, batch: CaptureBatch): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = start;
    if (!this.started) {
      if (end - at < FILE_HEADER) return 0;
      this.readHeader(view, at);
      if (this.damage !== '') return 0;
      at += FILE_HEADER;
    }
    const { little, recordHeader, perTick, fcsBytes, linkType, capturedAt, isEither } = this;
    const originalAt = 20 - capturedAt;
    const perSecond = 1e9 / perTick;
    let n = batch.n;
    // Added to the record header at the end, whether or not a packet is cut off: what V8 has not seen happen when it
    // compiles the loop makes it throw the code away when it does.
    let missing = 0;
    while (n < BATCH_MAX && end - at >= recordHeader) {
      let captured = view.getUint32(at + capturedAt, little);
      let original = view.getUint32(at + originalAt, little);
      if (isEither && captured > original) [captured, original] = [original, captured];
      if (captured > PACKET_BYTES_MAX) {
        this.damage = `impossible packet length ${captured}`;
        break;
      }
      const data = at + recordHeader;
      if (end - data < captured) {
        missing = captured;
        break;
      }
      let seconds = view.getUint32(at, little);
      let fraction = view.getUint32(at + 4, little);
      if (fraction >= perSecond) {
        // Careless writers.
        const carry = Math.floor(fraction / perSecond);
        seconds += carry;
        fraction -= carry * perSecond;
      }
      let length = captured;
      let wire = original;
      if (fcsBytes !== 0) {
        wire = Math.max(original - fcsBytes, 0);
        batch.fcs[n] = original - wire;
        length -= Math.min(Math.max(0, captured - wire), fcsBytes);
      }
      batch.off[n] = data;
      batch.len[n] = length;
      batch.original[n] = Math.max(wire, length);
      batch.linkType[n] = linkType;
      batch.seconds[n] = seconds;
      batch.nanoseconds[n] = fraction * perTick;
      n++;
      at = data + captured;
    }
    batch.n = n;
    this.need = recordHeader + missing;
    return at - start;
  }

  private readHeader(view: DataView, at: number): void {
    const word = view.getUint32(at);
    this.little = pcapOrder(word) === 2;
    const magic = view.getUint32(at, this.little);
    const major = view.getUint16(at + 4, this.little);
    if (major !== 2) {
      this.damage = `pcap version ${major}.${view.getUint16(at + 6, this.little)} is not supported (2.4 is)`;
      return;
    }
    const minor = view.getUint16(at + 6, this.little);
    this.capturedAt = minor < 3 ? 12 : 8;
    this.isEither = minor === 3;
    this.perTick = magic === NANO ? 1 : 1000;
    this.recordHeader = magic === MODIFIED ? 24 : 16;
    // Upper bits: whether frames end with an FCS, and its length in 16-bit words.
    const network = view.getUint32(at + 20, this.little);
    this.linkType = network & 0xffff;
    this.fcsBytes = (network & 0x0400_0000) !== 0 ? (network >>> 28) * 2 : 0;
    if (!isSupportedLinkType(this.linkType)) this.skippedLinkType = this.linkType;
    this.started = true;
  }
}
