/** Capture files as bytes, made field by field: independent of the project's writer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { CaptureBatch } from '#rxsteer/capture/format.js';

export interface Record {
  seconds?: number;
  fraction?: number;
  data: Uint8Array;
  original?: number;
}

export function bytesOf(little: boolean, ...fields: (readonly [width: 1 | 2 | 4, value: number])[]): Buffer {
  const out = Buffer.alloc(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields) {
    if (little) out.writeUIntLE(value, at, width);
    else out.writeUIntBE(value, at, width);
    at += width;
  }
  return out;
}

export function pcap(
  records: readonly Record[],
  {
    magic = 0xa1b2c3d4,
    little = true,
    linkType = 1,
    major = 2,
    minor = 4,
    swapped = false,
    snap = 65_535,
  } = {},
): Buffer {
  const version = [[2, major] as const, [2, minor] as const];
  const header = bytesOf(little, [4, magic], ...version, [4, 0], [4, 0], [4, snap], [4, linkType]);
  const extra = magic === 0xa1b2cd34 ? 8 : 0;
  const parts = records.flatMap(({ seconds = 0, fraction = 0, data, original = data.length }) => [
    bytesOf(
      little,
      [4, seconds],
      [4, fraction],
      [4, swapped ? original : data.length],
      [4, swapped ? data.length : original],
    ),
    Buffer.alloc(extra, 0x77),
    data,
  ]);
  return Buffer.concat([header, ...parts]);
}

function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
}

export function block(little: boolean, type: number, body: Uint8Array): Buffer {
  const length = body.length + 12;
  return Buffer.concat([bytesOf(little, [4, type], [4, length]), body, bytesOf(little, [4, length])]);
}

export function section(little = true): Buffer {
  const body = bytesOf(little, [4, 0x1a2b3c4d], [2, 1], [2, 0], [4, 0xffffffff], [4, 0xffffffff]);
  return block(little, 0x0a0d0d0a, body);
}

export function option(little: boolean, code: number, value: Uint8Array): Buffer {
  return Buffer.concat([bytesOf(little, [2, code], [2, value.length]), padded(value)]);
}

export function netInterface(little = true, linkType = 1, options: Uint8Array[] = [], snap = 0): Buffer {
  const end = options.length > 0 ? [bytesOf(little, [4, 0])] : [];
  return block(
    little,
    1,
    Buffer.concat([bytesOf(little, [2, linkType], [2, 0], [4, snap]), ...options, ...end]),
  );
}

export function enhanced(
  little: boolean,
  id: number,
  [high, low]: readonly [number, number],
  data: Uint8Array,
  { original = data.length, options = [] as Uint8Array[] } = {},
): Buffer {
  const head = bytesOf(little, [4, id], [4, high], [4, low], [4, data.length], [4, original]);
  return block(little, 6, Buffer.concat([head, padded(data), ...options]));
}

export function oldPacket(
  little: boolean,
  id: number,
  [high, low]: readonly [number, number],
  data: Uint8Array,
): Buffer {
  const head = bytesOf(little, [2, id], [2, 9], [4, high], [4, low], [4, data.length], [4, data.length]);
  return block(little, 2, Buffer.concat([head, padded(data)]));
}

export function simple(little: boolean, data: Uint8Array, original = data.length): Buffer {
  return block(little, 3, Buffer.concat([bytesOf(little, [4, original]), padded(data)]));
}

/** A number of ticks as the two halves of a pcapng timestamp. */
export function ticks(value: bigint): [number, number] {
  return [Number(value >> 32n), Number(value & 0xffffffffn)];
}

export interface Packet {
  data: string;
  original: number;
  linkType: number;
  seconds: number;
  nanoseconds: number;
}

/** The packets of a batch, copied. */
export function packetsOf(batch: CaptureBatch): Packet[] {
  const { buffer, byteOffset, length } = batch.bytes;
  const bytes = Buffer.from(buffer, byteOffset, length);
  return Array.from({ length: batch.n }, (_, i) => ({
    data: bytes.toString('hex', batch.off[i], batch.off[i]! + batch.len[i]!),
    original: batch.original[i]!,
    linkType: batch.linkType[i]!,
    seconds: batch.seconds[i]!,
    nanoseconds: batch.nanoseconds[i]!,
  }));
}

/** A directory of this test file, removed at its end; returns a function that writes a file into it. */
export function temporaryFiles(): (name: string, bytes?: Uint8Array) => string {
  const directory = mkdtempSync(join(tmpdir(), `rxsteer-test-${process.pid}-`));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return (name, bytes) => {
    const path = join(directory, name);
    if (bytes !== undefined) writeFileSync(path, bytes);
    return path;
  };
}
