import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ByteSource } from '#rxsteer/capture/inflate.js';
import { openCapture } from '#rxsteer/capture/stream.js';
import { ZstdFrames } from '#rxsteer/capture/zstd-frames.js';
import { payloadBytes } from '#rxsteer/packet/build.js';
import * as files from './files.js';

const file = files.temporaryFiles();
const records = Array.from({ length: 500 }, (_, i) => ({ data: payloadBytes(60 + (i % 900)), seconds: i }));
const capture = files.pcap(records);

/** A zstd frame of raw blocks (RFC 8878): what any decompressor must take, made without one. */
function frame(content: Uint8Array, { blockBytes = 100_000, window = -1, checksum = false } = {}): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  const flag = checksum ? 4 : 0;
  const header =
    window < 0
      ? Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0 | flag), size])
      : Buffer.of(0x28, 0xb5, 0x2f, 0xfd, flag, window);
  const parts = [header];
  for (let at = 0; at < content.length || at === 0; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    const last = at + blockBytes >= content.length ? 1 : 0;
    const head = Buffer.alloc(3);
    head.writeUIntLE((block.length << 3) | last, 0, 3);
    parts.push(head, Buffer.from(block));
  }
  // fzstd does not verify it; any four bytes do.
  if (checksum) parts.push(Buffer.of(0, 0, 0, 0));
  return Buffer.concat(parts);
}

/** A skippable frame of so many bytes in all. */
function padding(bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUInt32LE(0x184d2a50, 0);
  out.writeUInt32LE(bytes - 8, 4);
  return out;
}

const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5]);

async function read(name: string, bytes: Uint8Array) {
  const path = file(name, bytes);
  const stream = await openCapture(path);
  let seconds = 0;
  for await (const batch of stream) for (let i = 0; i < batch.n; i++) seconds += batch.seconds[i]!;
  return { packets: stream.status.packets, seconds, warning: stream.status.warning };
}

const whole = { packets: 500, seconds: (499 * 500) / 2, warning: null };

describe('captures in zstd', () => {
  it.each([
    ['one frame', frame(capture)],
    ['many blocks', frame(capture, { blockBytes: 1000 })],
    ['a window instead of a size', frame(capture, { window: 0x58 })],
    ['a skippable frame first', Buffer.concat([skippable, frame(capture)])],
    [
      'concatenated frames, checksums, a skippable one between',
      Buffer.concat([
        frame(capture.subarray(0, 30_000), { checksum: true }),
        skippable,
        frame(capture.subarray(30_000, 30_001)),
        frame(capture.subarray(30_001), { checksum: true }),
      ]),
    ],
  ])('reads %s', async (_name, bytes) => {
    expect(await read('x.zst', bytes)).toEqual(whole);
  });

  it.each([
    ['behind a skippable frame', (big: Buffer) => Buffer.concat([skippable, big]), 0],
    ['behind whole frames', (big: Buffer) => Buffer.concat([frame(capture, { checksum: true }), big]), 500],
    ['behind many', (big: Buffer) => Buffer.concat([frame(capture), ...Array(9).fill(skippable), big]), 500],
    ['at the end of a piece', (big: Buffer) => Buffer.concat([padding(1020), big]), 0],
  ])('no frame gets a window above the limit: %s', async (_name, wrap, packets) => {
    // 1 GiB, as the last byte of a header says it; the frame before it is read.
    const bytes = wrap(frame(capture, { window: 0xa0 }));
    const refusal = /the zstd data need a window of 1073741824 bytes, more than 134217728/;
    if (packets === 0) await expect(read('big.zst', bytes)).rejects.toThrow(refusal);
    else {
      const result = await read('big.zst', bytes);
      expect([result.packets, result.warning]).toEqual([packets, expect.stringMatching(refusal)]);
    }
  });

  it('frames are followed the same however the bytes come', () => {
    const bytes = Buffer.concat([
      frame(capture, { checksum: true }),
      skippable,
      frame(capture, { window: 0xa0 }),
    ]);
    const end = bytes.length - frame(capture, { window: 0xa0 }).length;
    for (const step of [1, 2, 3, 7, 1000, bytes.length]) {
      const frames = new ZstdFrames();
      let passed = 0;
      for (let at = 0; at < bytes.length && frames.problem === ''; at += step) {
        const piece = bytes.subarray(at, at + step);
        const allowed = frames.follow(piece);
        passed = allowed < piece.length ? at + allowed : at + piece.length;
      }
      expect(frames.problem).toMatch(/window of 1073741824/);
      // The refused header's own first bytes may have been passed on before it was whole.
      expect(passed).toBeGreaterThanOrEqual(end);
      expect(passed).toBeLessThanOrEqual(end + 6);
    }
  });

  it('something else behind the last frame is said, and nothing before it is lost', async () => {
    for (const tail of [Buffer.alloc(100), Buffer.alloc(100, 0x77), Buffer.from('text')]) {
      const result = await read('tail.zst', Buffer.concat([frame(capture, { checksum: true }), tail]));
      expect(result).toMatchObject({ packets: 500, warning: expect.stringContaining('no zstd data follow') });
    }
  });

  it('reads byte by byte what a pipe may give so', async () => {
    const bytes = frame(capture.subarray(0, 3000), { blockBytes: 700, checksum: true });
    const source = new ByteSource(
      (async function* () {
        for (const byte of bytes) yield Uint8Array.of(byte);
      })(),
    );
    const parts: Uint8Array[] = [];
    for await (const part of source.chunks()) parts.push(part);
    expect(Buffer.concat(parts).equals(capture.subarray(0, 3000))).toBe(true);
    expect(source.problem).toBe('');
  });

  it('reads a cut-off file as far as it goes, and says so', async () => {
    const bytes = frame(capture, { blockBytes: 1000 });
    const { packets, warning } = await read('cut.zst', bytes.subarray(0, bytes.length / 2));
    // The packets grow by a byte each.
    expect(packets).toBeGreaterThan(325);
    expect(packets).toBeLessThan(340);
    expect(warning).toMatch(/cut\.zst: the zstd data are cut off after packet \d+; the rest is not read$/);
  });

  it('reads up to damage, and says so', async () => {
    const good = frame(capture.subarray(0, 40_000), { blockBytes: 1000 });
    const { packets, warning } = await read('damaged.zst', Buffer.concat([good, Buffer.alloc(100, 0x77)]));
    expect(packets).toBeGreaterThan(50);
    expect(warning).toMatch(/the zstd data are damaged \(.+\) after packet \d+/);
  });

  it('refuses a window that no honest file needs', async () => {
    // 2^30 bytes.
    await expect(read('huge.zst', frame(capture, { window: 20 << 3 }))).rejects.toThrow(
      /huge\.zst: is empty \(the zstd data need a window of 1073741824 bytes, more than 134217728\)/,
    );
  });

  it('refuses what is zstd and no capture', async () => {
    await expect(read('text.zst', frame(Buffer.from('hello, this is no capture')))).rejects.toThrow(
      /text\.zst: not a capture/,
    );
  });

  it.skipIf(spawnSync('zstd', ['--version']).error !== undefined)(
    'reads what the zstd program writes, at several levels',
    async () => {
      const plain = file('plain.pcap', capture);
      for (const level of ['-1', '-3', '-19']) {
        const path = file(`level${level}.zst`);
        expect(spawnSync('zstd', ['-q', '-f', level, plain, '-o', path]).status).toBe(0);
        expect(await read(`again${level}.zst`, readFileSync(path))).toEqual(whole);
        const source = new ByteSource(createReadStream(path, { highWaterMark: 37 }));
        let bytes = 0;
        for await (const part of source.chunks()) bytes += part.length;
        expect(bytes).toBe(capture.length);
      }
    },
  );
});
