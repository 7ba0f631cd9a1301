/**
 * Captures to measure with: UDP and TCP frames of many flows, written from one patched template.
 *
 * Promise: the same bytes for the same arguments; nanosecond pcap, 1 us apart on average.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { SeededRandom } from '#rxsteer/hash/random.js';

const RECORD = 16;
const BUFFER_BYTES = 4 << 20;

/** Writes `packets` frames of `bytes` bytes, of `flows` flows of unequal size. */
export function writeCapture(path: string, packets: number, bytes: number, flows: number): void {
  const random = new SeededRandom(1);
  const tuples = Int32Array.from({ length: flows * 4 }, () => random.next() | 0);
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const fd = openSync(path, 'w');
  try {
    buffer.writeUInt32LE(0xa1b23c4d, 0);
    buffer.writeUInt16LE(2, 4);
    buffer.writeUInt16LE(4, 6);
    buffer.writeUInt32LE(262_144, 16);
    buffer.writeUInt32LE(1, 20);
    const frame = Buffer.alloc(bytes);
    frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0]);
    frame.writeUInt16BE(bytes - 14, 16);
    frame[22] = 64;
    let at = 24;
    let time = 0;
    for (let i = 0; i < packets; i++) {
      if (at + RECORD + bytes > BUFFER_BYTES) {
        writeSync(fd, buffer, 0, at);
        at = 0;
      }
      // The least of two draws: flows with low numbers are larger.
      const flow = 4 * Math.min(random.below(flows), random.below(flows));
      frame[23] = (tuples[flow + 3]! & 3) === 0 ? 17 : 6;
      for (let word = 0; word < 3; word++) frame.writeInt32BE(tuples[flow + word]!, 26 + 4 * word);
      time += random.below(2000);
      buffer.writeUInt32LE(1_700_000_000 + Math.floor(time / 1e9), at);
      buffer.writeUInt32LE(time % 1e9, at + 4);
      buffer.writeUInt32LE(bytes, at + 8);
      buffer.writeUInt32LE(bytes, at + 12);
      frame.copy(buffer, at + RECORD);
      at += RECORD + bytes;
    }
    writeSync(fd, buffer, 0, at);
  } finally {
    closeSync(fd);
  }
}
