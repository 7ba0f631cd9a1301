/**
 * Captures in every format: pcap, pcapng, and both inside gzip and zstd.
 *
 * Promises: a file is read or refused in one line; what is read does not depend on the pieces in which bytes arrive;
 * packets lie inside the window, memory stays below the largest packet that is believed; a plain pcap gives the packets
 * that a slow reader finds, up to the first damage.
 */
import { gzipSync } from 'node:zlib';
import { CaptureCore } from '#rxsteer/capture/core.js';
import { ByteSource } from '#rxsteer/capture/inflate.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { payloadBytes } from '#rxsteer/packet/build.js';
import * as files from '../../capture/files.js';
import type { FuzzTarget } from '../driver.js';
import { checkRefusal, must } from '../promise.js';

/** The first byte of an input says what is made of the rest. */
const MODES = 4;
const WINDOW_MAX = 2 << 20;
/** Decompressed bytes that are read of an input: bombs are not this target's matter. */
const BYTES_MAX = 1 << 20;

const data = [payloadBytes(60), payloadBytes(333), payloadBytes(120), payloadBytes(9)];

interface Reading {
  readonly packets: files.Packet[];
  readonly said: string;
}

/** Feeds a core in pieces of this many bytes; checks every packet's bounds. */
function read(bytes: Uint8Array, piece: number): Reading {
  const core = new CaptureCore('x');
  const packets: files.Packet[] = [];
  let said = '';
  try {
    for (let at = 0; at < bytes.length && !core.stopped; ) {
      const count = Math.min(core.room(), piece, bytes.length - at);
      must(count > 0, 'the window is full and nothing is decoded');
      core.bytes.set(bytes.subarray(at, at + count), core.end);
      core.added(count);
      at += count;
      while (core.decode()) {
        const { n, off, len, original, nanoseconds } = core.batch;
        for (let i = 0; i < n; i++) {
          must(off[i]! >= 0 && off[i]! + len[i]! <= core.end, `packet ${i} lies outside the window`);
          must(original[i]! >= len[i]!, `packet ${i} was shorter than what is there of it`);
          must(
            nanoseconds[i]! >= 0 && nanoseconds[i]! < 1e9,
            `packet ${i} has ${nanoseconds[i]} nanoseconds`,
          );
        }
        packets.push(...files.packetsOf(core.batch));
      }
    }
    core.finish();
    said = core.status.warning ?? '';
  } catch (error) {
    checkRefusal(error);
    said = (error as Error).message;
  }
  must(!said.includes('\n'), 'a warning of several lines');
  must(core.bytes.length <= WINDOW_MAX, `a window of ${core.bytes.length} bytes`);
  must(core.status.packets === packets.length, 'packets are counted wrongly');
  return { packets, said };
}

const checkSame = (a: Reading, b: Reading) =>
  must(JSON.stringify(a) === JSON.stringify(b), 'what is read depends on the pieces in which bytes arrive');

/** Frames of a plain pcap as hex, read field by field, up to the first record that cannot be. */
function readSlowly(bytes: Uint8Array): string[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 24) return null;
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  if (!little && view.getUint32(0, false) !== 0xa1b2c3d4) return null;
  const u32 = (at: number) => view.getUint32(at, little);
  // Some old writers (versions below 2.3) exchange the two lengths: not this reader's matter.
  if (view.getUint16(4, little) !== 2 || view.getUint16(6, little) !== 4 || u32(20) !== 1) return null;
  const found: string[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = u32(at + 8);
    if (length > 262_144 || at + 16 + length > bytes.length) break;
    found.push(Buffer.from(bytes.subarray(at + 16, at + 16 + length)).toString('hex'));
    at += 16 + length;
  }
  return found;
}

async function decompress(bytes: Uint8Array, piece: number): Promise<{ out: Buffer; problem: string }> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.slice(at, at + piece);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  const source = new ByteSource(pieces());
  for await (const chunk of source.chunks()) {
    parts.push(Uint8Array.from(chunk));
    size += chunk.length;
    if (size > BYTES_MAX) break;
  }
  must(!source.problem.includes('\n'), `a problem of several lines: ${JSON.stringify(source.problem)}`);
  return { out: Buffer.concat(parts).subarray(0, BYTES_MAX), problem: source.problem };
}

/** The same bytes in other pieces: where the data are damaged, zlib may keep some that came just before. */
function checkPieces(a: Awaited<ReturnType<typeof decompress>>, b: typeof a): void {
  const shorter = Math.min(a.out.length, b.out.length);
  const isSame = a.problem !== '' || a.out.length === b.out.length;
  must(
    (a.problem === '') === (b.problem === ''),
    `"${a.problem}" or "${b.problem}", by the pieces in which bytes arrive`,
  );
  must(
    isSame && a.out.subarray(0, shorter).equals(b.out.subarray(0, shorter)),
    'what is decompressed depends on the pieces in which bytes arrive',
  );
}

const plain = [true, false].flatMap((little) => [
  files.pcap(
    data.map((bytes) => ({ data: bytes })),
    { little },
  ),
  Buffer.concat([
    files.section(little),
    files.netInterface(little, 1, [files.option(little, 9, Uint8Array.of(9))]),
    files.netInterface(little, 113, [], 100),
    ...data.map((bytes, i) => files.enhanced(little, i & 1, [i, i], bytes)),
    files.simple(little, data[1]!),
    files.oldPacket(little, 1, [1, 1], data[0]!),
    files.block(little, 5, new Uint8Array(16)),
  ]),
]);

/** A zstd frame of one raw block, as any decompressor must take it. */
function zstd(content: Uint8Array): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 5);
  head.writeUIntLE((content.length << 3) | 1, 9, 3);
  return Buffer.concat([head, content]);
}

const mode = (number: number, bytes: Uint8Array) => Buffer.concat([Buffer.of(number), bytes]);

export const captures: FuzzTarget = {
  name: 'captures',
  covers: /\/(dist\/capture|fzstd)\//,
  maxBytes: 2500,
  seeds: () => [
    ...plain.map((bytes) => mode(0, bytes)),
    mode(1, plain[0]!),
    mode(2, gzipSync(plain[0]!)),
    mode(2, gzipSync(plain[1]!)),
    mode(2, Buffer.concat([gzipSync(plain[0]!.subarray(0, 100)), gzipSync(plain[0]!.subarray(100))])),
    mode(2, zstd(plain[0]!)),
    mode(2, Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]), zstd(plain[1]!)])),
    mode(3, plain[2]!),
  ],
  async check(input) {
    if (input.length < 2) return;
    const first = input[0]! % MODES;
    const rest = input.subarray(1);
    const random = new SeededRandom(input.length);
    let bytes = rest;
    if (first === 1) bytes = gzipSync(bytes);
    if (first === 3) bytes = zstd(bytes);
    if (first !== 0) {
      const whole = await decompress(bytes, 1 << 20);
      const pieces = await decompress(bytes, 1 + random.below(300));
      checkPieces(whole, pieces);
      if (first !== 2) must(whole.out.equals(rest), 'compressing and decompressing changes bytes');
      bytes = whole.out;
    }
    const whole = read(bytes, 1 << 20);
    checkSame(whole, read(bytes, 1 + random.below(700)));
    const slow = readSlowly(bytes);
    if (slow === null) return;
    const found = whole.packets.map(({ data: hex }) => hex);
    must(
      found.length <= slow.length && (whole.said !== '' || found.length === slow.length),
      `${found.length} packets, not ${slow.length}`,
    );
    must(
      found.every((hex, i) => hex === slow[i]),
      'a packet is not the one in the file',
    );
  },
};
