/**
 * The frames of a memory source: names, addresses, and one prebuilt template per flow.
 *
 * Promise: pure functions of (options, port, flow). A template is the first 60 bytes of the flow's frame with sequence
 * number 0 and without UDP checksum; the sums beside it are what is left of the checksums when length and sequence
 * number are taken out, so that whoever copies a template completes them by additions.
 */

import { ethernet, ipv4, udp } from '../../../packet/build.js';
import { foldSum, pseudoSum4, putUint16, storeIpv4Checksum, sum16 } from '../../../packet/checksum.js';
import type { SourcePart } from './mix.js';
import type { MemorySourceOptions } from './options.js';

/** Where a frame says which it is, relative to its start: 16-bit mark, 32-bit flow id, 32-bit sequence number. */
export const STAMP_MARK_OFFSET = 42;
export const STAMP_FLOW_OFFSET = 44;
export const STAMP_SEQUENCE_OFFSET = 48;
export const STAMP_MARK = 0x5258;

/** Bytes of a template. */
export const TEMPLATE_BYTES = 60;
/** Templates lie this many words apart, a cache line; what follows a template is zero. */
export const TEMPLATE_STRIDE = 16;

/** One step of a 32-bit mixing function (the finaliser of MurmurHash3): equal inputs, equal outputs. */
export function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

function macText(first: number, number: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return `02:${hex(first)}:${[24, 16, 8, 0].map((shift) => hex((number >>> shift) & 255)).join(':')}`;
}

/** The MAC of guest g (0 …): 02:00:00:00:00:01 …. */
export function guestMac(g: number): string {
  return macText(0, g + 1);
}

/** The source MAC of the frames of port `port`. */
export function sourceMac(port: number): string {
  return macText(1, port + 1);
}

/** A frame of `length` bytes with all that the flows have in common, by the ordinary builders. */
function commonFrame(port: number, length: number): Uint8Array {
  return ethernet(
    { dst: guestMac(0), src: sourceMac(port) },
    ipv4(
      { src: '10.0.0.0', dst: '11.0.0.0', dontFragment: true },
      udp({ sport: 0, dport: 0 }, new Uint8Array(length - 42)),
    ),
  );
}

/** Makes `frame` the frame of flow `flow` with sequence number 0; a million flows must not take seconds. */
function becomeFlow(frame: Uint8Array, options: MemorySourceOptions, port: number, flow: number): void {
  const guest = (flow % options.guests) + 1;
  // An odd multiplier and an xor permute 24 bits: addresses look random and no two flows share one.
  const address = Math.imul(flow ^ mix(options.seed), 0x9e3779b1);
  const ports = mix(options.seed ^ mix(flow + 0x10000 * (port + 1)));
  putUint16(frame, 2, guest >>> 16);
  putUint16(frame, 4, guest);
  for (const [at, value] of [
    [27, address],
    [31, guest],
  ] as const) {
    frame[at] = value >>> 16;
    putUint16(frame, at + 1, value);
  }
  putUint16(frame, 34, 1024 + ((ports & 0xffff) % 64_512));
  putUint16(frame, 36, 1024 + ((ports >>> 16) % 64_512));
  putUint16(frame, STAMP_MARK_OFFSET, STAMP_MARK);
  putUint16(frame, STAMP_FLOW_OFFSET, (port << 8) | (flow >>> 16));
  putUint16(frame, STAMP_FLOW_OFFSET + 2, flow);
  storeIpv4Checksum(frame, 14, 20);
  putUint16(frame, 40, 0);
  const length = frame.length - 34;
  const checksum = sum16(frame, 34, length, pseudoSum4(frame, 14, 17, length)) ^ 0xffff;
  putUint16(frame, 40, checksum === 0 ? 0xffff : checksum);
}

/** A frame of flow `flow`, sequence number 0: for whoever has to know where it will go. The same array every time. */
export function flowFrames(options: MemorySourceOptions, port: number): (flow: number) => Uint8Array {
  const frame = commonFrame(port, TEMPLATE_BYTES);
  return (flow) => {
    becomeFlow(frame, options, port, flow);
    return frame;
  };
}

/** Templates of the flows of one receive queue: ordinary flows first, then elephants. */
export class SourceTemplates {
  readonly words: Int32Array;
  /** Per template: sums without the fields that depend on length and sequence number. */
  readonly ipSums: Int32Array;
  readonly udpSums: Int32Array;
  /** Template of each flow id. */
  readonly of: Int32Array;

  constructor(options: MemorySourceOptions, port: number, { ordinary, heavy }: SourcePart) {
    const flows = ordinary.length;
    const count = flows + heavy.length;
    this.of = new Int32Array(options.flows);
    this.words = new Int32Array(count * TEMPLATE_STRIDE);
    this.ipSums = new Int32Array(count);
    this.udpSums = new Int32Array(count);
    const bytes = new Uint8Array(this.words.buffer);
    const frame = commonFrame(port, options.size === 0 ? TEMPLATE_BYTES : options.size);
    const length = frame.length - 34;
    for (let t = 0; t < count; t++) {
      const at = t * TEMPLATE_STRIDE * 4;
      const flow = t < flows ? ordinary[t]! : heavy[t - flows]!;
      this.of[flow] = t;
      becomeFlow(frame, options, port, flow);
      bytes.set(frame.subarray(0, TEMPLATE_BYTES), at);
      bytes.fill(0, at + 40, at + 42);
      // One's complement arithmetic: the sum over all but a field is the complement of what the field must hold
      // less the parts that change.
      const ipChecksum = (frame[24]! << 8) | frame[25]!;
      const udpChecksum = (frame[40]! << 8) | frame[41]!;
      this.ipSums[t] = foldSum((ipChecksum ^ 0xffff) + ((length + 20) ^ 0xffff));
      this.udpSums[t] = foldSum((udpChecksum ^ 0xffff) + (foldSum(2 * length) ^ 0xffff));
    }
  }
}
