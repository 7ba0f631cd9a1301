import { execFile, execFileSync } from 'node:child_process';
import { closeSync, createReadStream, fstatSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { CaptureFile } from '#rxsteer/capture/file.js';
import { ByteSource } from '#rxsteer/capture/inflate.js';
import { spoolCapture } from '#rxsteer/capture/spool.js';
import { openCapture } from '#rxsteer/capture/stream.js';
import { UserError } from '#rxsteer/errors.js';
import { payloadBytes } from '#rxsteer/packet/build.js';
import * as files from './files.js';

const file = files.temporaryFiles();
let serial = 0;

interface Result {
  packets: files.Packet[];
  warning: string | null;
  skipped: number;
}

async function readStream(path: string): Promise<Result> {
  const capture = await openCapture(path);
  const packets: files.Packet[] = [];
  for await (const batch of capture) packets.push(...files.packetsOf(batch));
  expect(capture.status.packets).toBe(packets.length);
  return { packets, warning: capture.status.warning, skipped: capture.status.skipped };
}

function readSynchronously(path: string): Result {
  const capture = CaptureFile.open(path);
  try {
    const packets: files.Packet[] = [];
    for (let batch = capture.next(); batch !== null; batch = capture.next())
      packets.push(...files.packetsOf(batch));
    expect(capture.next()).toBeNull();
    return { packets, warning: capture.status.warning, skipped: capture.status.skipped };
  } finally {
    capture.close();
  }
}

/** Reads with both readers, which must agree. */
async function read(bytes: Uint8Array): Promise<Result> {
  const path = file(`${serial++}.pcap`, bytes);
  const result = await readStream(path);
  expect(readSynchronously(path)).toEqual(result);
  return result;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const data = [payloadBytes(60), payloadBytes(61), payloadBytes(1514)];
const records = data.map((bytes, i) => ({ data: bytes, seconds: 1_700_000_000 + i, fraction: 999_999 - i }));

describe('pcap', () => {
  it.each([
    ['microseconds', 0xa1b2c3d4, 1000],
    ['nanoseconds', 0xa1b23c4d, 1],
    ['the modified form', 0xa1b2cd34, 1000],
  ])('reads %s in both byte orders', async (_name, magic, scale) => {
    for (const little of [true, false]) {
      const { packets, warning } = await read(files.pcap(records, { magic, little }));
      expect(warning).toBeNull();
      expect(packets).toEqual(
        records.map((record) => ({
          data: hex(record.data),
          original: record.data.length,
          linkType: 1,
          seconds: record.seconds,
          nanoseconds: record.fraction * scale,
        })),
      );
    }
  });

  it.each([0, 1, 2, 3, 4])(
    'reads version 2.%i, whose lengths may stand the other way round',
    async (minor) => {
      for (const little of [true, false]) {
        const long = data.map((bytes, i) => ({ data: bytes.subarray(0, 40), original: 100 + i }));
        // 2.3 was written both ways: the captured length is the smaller one.
        const isSwapped = minor < 3 || (minor === 3 && little);
        const { packets, warning } = await read(files.pcap(long, { minor, little, swapped: isSwapped }));
        expect(warning).toBeNull();
        expect(packets.map((packet) => [packet.data, packet.original])).toEqual(
          long.map((record) => [hex(record.data), record.original]),
        );
      }
    },
  );

  it.each([1, 12, 14, 101, 113, 228, 229, 276])('passes link type %d through', async (linkType) => {
    const { packets } = await read(files.pcap(records, { linkType }));
    expect(packets.map((packet) => packet.linkType)).toEqual([linkType, linkType, linkType]);
  });

  it('tells captured from original length, and never less', async () => {
    const cut = [
      { data: data[0]!, original: 1514 },
      { data: data[0]!, original: 10 },
    ];
    const { packets } = await read(files.pcap(cut));
    expect(packets.map((packet) => packet.original)).toEqual([1514, 60]);
  });

  it('strips the frame check sequence that the header announces', async () => {
    const whole = { data: payloadBytes(64) };
    const cut = { data: payloadBytes(62), original: 64 };
    const short = { data: payloadBytes(40), original: 64 };
    const { packets } = await read(files.pcap([whole, cut, short], { linkType: 0x2400_0001 }));
    expect(packets.map((packet) => packet.data.length / 2)).toEqual([60, 60, 40]);
    expect(packets.map((packet) => packet.original)).toEqual([60, 60, 60]);
  });

  it('carries fractions beyond a second', async () => {
    const { packets } = await read(files.pcap([{ data: data[0]!, seconds: 5, fraction: 4_000_000_001 }]));
    expect([packets[0]!.seconds, packets[0]!.nanoseconds]).toEqual([4005, 1000]);
  });

  it('reads a capture without packets, and packets without bytes', async () => {
    expect((await read(files.pcap([]))).packets).toEqual([]);
    expect((await read(files.pcap([{ data: new Uint8Array(0) }]))).packets[0]!.data).toBe('');
  });

  it('reads thousands of packets across windows and batches', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({
      data: payloadBytes((i * 37) % 1500),
      seconds: i,
    }));
    const { packets } = await read(files.pcap(many));
    expect(packets.map((packet) => packet.seconds)).toEqual(many.map((record) => record.seconds));
    expect(packets.every((packet, i) => packet.data === hex(many[i]!.data))).toBe(true);
  });

  it('reads the largest packet that is believed', async () => {
    const { packets } = await read(
      files.pcap([{ data: data[0]! }, { data: new Uint8Array(262_144) }, records[0]!]),
    );
    expect(packets.map((packet) => packet.data.length / 2)).toEqual([60, 262_144, 60]);
  });
});

describe('pcapng', () => {
  const seconds = 1_700_000_000n;

  it.each([true, false])(
    'reads sections, interfaces and all packet blocks (little-endian: %s)',
    async (little) => {
      const nine = files.option(little, 9, Uint8Array.of(9));
      const comment = files.option(little, 1, Buffer.from('a comment'));
      const bytes = Buffer.concat([
        files.section(little),
        files.block(little, 0x0bad, Buffer.alloc(400)),
        files.netInterface(little, 1),
        files.netInterface(little, 276, [comment, nine]),
        files.enhanced(little, 0, files.ticks(seconds * 1_000_000n + 123_456n), data[0]!),
        files.enhanced(little, 1, files.ticks(seconds * 1_000_000_000n + 123_456_789n), data[1]!, {
          original: 9000,
          options: [comment],
        }),
        files.oldPacket(little, 1, files.ticks(999_999_999n), data[2]!),
        files.simple(little, data[1]!),
        files.block(little, 5, Buffer.alloc(40)),
        files.section(!little),
        files.netInterface(!little, 101, [files.option(!little, 9, Uint8Array.of(3))]),
        files.enhanced(!little, 0, files.ticks(5_007n), data[0]!),
      ]);
      const { packets, warning } = await read(bytes);
      expect(warning).toBeNull();
      const s = Number(seconds);
      expect(packets).toEqual([
        { data: hex(data[0]!), original: 60, linkType: 1, seconds: s, nanoseconds: 123_456_000 },
        { data: hex(data[1]!), original: 9000, linkType: 276, seconds: s, nanoseconds: 123_456_789 },
        { data: hex(data[2]!), original: 1514, linkType: 276, seconds: 0, nanoseconds: 999_999_999 },
        { data: hex(data[1]!), original: 61, linkType: 1, seconds: 0, nanoseconds: 0 },
        { data: hex(data[0]!), original: 60, linkType: 101, seconds: 5, nanoseconds: 7_000_000 },
      ]);
    },
  );

  it('cuts simple packets at the snapshot length', async () => {
    const bytes = [files.section(), files.netInterface(true, 1, [], 61), files.simple(true, data[1]!, 1514)];
    const { packets } = await read(Buffer.concat(bytes));
    expect(packets.map(({ data: d, original }) => [d.length / 2, original])).toEqual([[61, 1514]]);
  });

  it('uses offset and FCS length of the interface', async () => {
    const offset = Buffer.alloc(8);
    offset.writeBigInt64LE(-100n);
    const options = [files.option(true, 14, offset), files.option(true, 13, Uint8Array.of(4))];
    const bytes = [
      files.section(),
      files.netInterface(true, 1, options),
      files.enhanced(true, 0, [0, 101_000_000], data[0]!),
    ];
    const { packets } = await read(Buffer.concat(bytes));
    expect(packets.map((p) => [p.seconds, p.data.length / 2, p.original])).toEqual([[1, 56, 56]]);
  });

  it('leaves out packets of other link types and of undeclared interfaces, and says so', async () => {
    const head = [files.section(), files.netInterface(true, 127), files.netInterface(true, 1)];
    const packet = (id: number) => files.enhanced(true, id, [0, 0], data[0]!);
    const { packets, warning, skipped } = await read(
      Buffer.concat([...head, packet(0), packet(1), packet(7)]),
    );
    expect([packets.length, skipped]).toEqual([1, 2]);
    expect(warning).toMatch(
      /2 packets left out: link type 127 \(IEEE 802.11 radiotap\) is not supported; permitted/,
    );
  });

  it('passes over blocks far larger than its window', async () => {
    const bytes = Buffer.concat([
      files.section(),
      files.block(true, 0x0bad, Buffer.alloc(1_000_000)),
      files.netInterface(),
      files.enhanced(true, 0, [0, 0], data[0]!, { options: [Buffer.alloc(400_000)] }),
      files.enhanced(true, 0, [0, 0], data[1]!),
    ]);
    expect((await read(bytes)).packets.map((packet) => packet.data)).toEqual([hex(data[0]!), hex(data[1]!)]);
  });
});

describe('damage', () => {
  const whole = files.pcap(records);

  it('reads cut-off files as far as they go, wherever they are cut', async () => {
    const ends = [24, 24 + 76, 24 + 76 + 77, whole.length];
    for (let length = 25; length < whole.length; length += 13) {
      const { packets, warning } = await read(whole.subarray(0, length));
      expect(packets.length).toBe(ends.filter((end) => end <= length).length - 1);
      if (!ends.includes(length)) expect(warning).toMatch(/\.pcap: cut off after packet \d$/);
    }
  });

  it('stops at an impossible length and says where', async () => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(0x7fff_ffff, 24 + 76 + 8);
    const { packets, warning } = await read(bytes);
    expect(packets.length).toBe(1);
    expect(warning).toMatch(
      /impossible packet length 2147483647 at byte 100, after packet 1; the rest is not read$/,
    );
  });

  const ng = (...blocks: Uint8Array[]) => Buffer.concat([files.section(), files.netInterface(), ...blocks]);
  const absurd = files.enhanced(true, 0, [0, 0], data[0]!);
  absurd.writeUInt32LE(0x00ff_fff0, 20);
  const beyond = files.enhanced(true, 0, [0, 0], data[0]!);
  beyond.writeUInt32LE(61, 20);

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', Buffer.alloc(0), /is empty$/],
    ['one byte', Buffer.of(0xd4), /is too short to be a capture$/],
    ['half a header', whole.subarray(0, 23), /is too short to be a capture$/],
    [
      'text',
      Buffer.from('hello, world'),
      /not a capture \(pcap or pcapng, possibly compressed by gzip or zstd, is permitted\)$/,
    ],
    [
      'loopback',
      files.pcap([], { linkType: 0 }),
      /link type 0 \(null\/loopback\) is not supported; permitted: Ethernet/,
    ],
    [
      'version 3',
      files.pcap(records, { major: 3 }),
      /pcap version 3\.4 is not supported \(2\.4 is\) at byte 0$/,
    ],
    [
      'an absurd first length',
      files.pcap([{ data: data[0]! }]).fill(0xff, 32, 36),
      /impossible packet length 4294967295/,
    ],
    ['no interface', files.section(), /holds no interface description$/],
    [
      'only other link types',
      Buffer.concat([
        files.section(),
        files.netInterface(true, 0),
        files.enhanced(true, 0, [0, 0], data[0]!),
      ]),
      /link type 0 \(null/,
    ],
    ['a block of 13 bytes', ng(files.bytesOf(true, [4, 6], [4, 13], [4, 0])), /impossible block length 13/],
    ['an absurd packet in pcapng', ng(absurd), /impossible packet length 16777200/],
    ['a packet beyond its block', ng(beyond, absurd), /impossible packet length 61 at byte 48$/],
    ['a section without magic', Buffer.concat([files.section().fill(0, 8, 12)]), /without byte-order magic/],
    [
      'garbage in gzip',
      Buffer.concat([Buffer.of(0x1f, 0x8b), Buffer.alloc(40, 7)]),
      /is empty \(the gzip data are damaged/,
    ],
  ])('%s is one line that names the file', async (_name, bytes, message) => {
    const path = file(`bad-${serial++}.pcap`, bytes);
    const problem = await readStream(path).catch((error: Error) => error);
    expect(problem).toBeInstanceOf(UserError);
    expect((problem as Error).message).toMatch(message);
    expect((problem as Error).message.startsWith(`${path}: `)).toBe(true);
    expect((problem as Error).message).not.toContain('\n');
    if (bytes[0] !== 0x1f) expect(() => readSynchronously(path)).toThrow((problem as Error).message);
    await expect(spoolCapture(path)).rejects.toThrow(UserError);
  });

  it.each([
    ['no-such-file', /no such file$/],
    ['.', /is a directory$/],
  ])('%s cannot be opened', async (name, message) => {
    const path = file(name);
    await expect(openCapture(path)).rejects.toThrow(message);
    await expect(spoolCapture(path)).rejects.toThrow(message);
    expect(() => readSynchronously(path)).toThrow(message);
    await expect(openCapture(path)).rejects.toThrow(UserError);
  });
});

describe('compressed captures and pipes', () => {
  const many = Array.from({ length: 2000 }, (_, i) => ({ data: payloadBytes(60 + (i % 400)), seconds: i }));
  const plain = files.pcap(many);
  const packed = gzipSync(plain);

  it('reads gzip, also in several members', async () => {
    expect((await readStream(file('a.gz', packed))).packets.length).toBe(2000);
    const half = 24 + 76 * 1;
    const members = Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half))]);
    expect((await readStream(file('b.gz', members))).packets.length).toBe(2000);
  });

  it('reads cut-off gzip as far as it goes', async () => {
    let last = 0;
    for (const part of [0.3, 0.6, 0.99]) {
      const path = file('cut.gz', packed.subarray(0, Math.floor(packed.length * part)));
      const { packets, warning } = await readStream(path);
      expect(packets.every((packet, i) => packet.data === hex(many[i]!.data))).toBe(true);
      expect(packets.length).toBeGreaterThan(last);
      expect(warning).toMatch(
        /cut\.gz: the gzip data are damaged \(.*\) after packet \d+; the rest is not read$/,
      );
      last = packets.length;
    }
  });

  it('reads all of a gzip before anything that follows it', async () => {
    // Long enough for several pieces, so that the end lies inside one.
    for (const [name, tail] of [
      ['garbage', Buffer.from('not gzip')],
      ['one byte', Buffer.of(7)],
      ['a half magic', Buffer.of(0x1f)],
      ['an old method', Buffer.of(0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0)],
      ['zeros and garbage', Buffer.concat([Buffer.alloc(70_000), Buffer.from('x')])],
    ] as const) {
      for (const { bytes, count } of [
        { bytes: packed, count: 2000 },
        { bytes: gzipSync(files.pcap(many.slice(0, 5))), count: 5 },
      ]) {
        const { packets, warning } = await readStream(file('tail.gz', Buffer.concat([bytes, tail])));
        expect([name, packets.length]).toEqual([name, count]);
        expect(warning).toMatch(/tail\.gz: .*gzip data.* after packet \d+; the rest is not read$/);
      }
    }
    for (const zeros of [1, 512, 200_000]) {
      const { packets, warning } = await readStream(
        file('z.gz', Buffer.concat([packed, Buffer.alloc(zeros)])),
      );
      expect([packets.length, warning]).toEqual([2000, null]);
    }
    const apart = Buffer.concat([packed, Buffer.alloc(100), gzipSync(plain.subarray(24))]);
    expect((await readStream(file('apart.gz', apart))).packets.length).toBe(4000);
  });

  it('reads every field of a gzip header, however the bytes come', async () => {
    const [head, rest] = [packed.subarray(0, 10), packed.subarray(10)];
    const flags = Buffer.from(head);
    flags[3] = 2 + 4 + 8 + 16;
    const extra = Buffer.concat([Buffer.of(44, 1), Buffer.alloc(300, 9)]);
    const texts = Buffer.concat([Buffer.from('a name\0and a comment\0'), Buffer.of(1, 2)]);
    const bytes = Buffer.concat([flags, extra, texts, rest]);
    const source = new ByteSource(
      (async function* () {
        for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
      })(),
    );
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.chunks()) chunks.push(chunk.slice());
    expect([Buffer.concat(chunks).equals(plain), source.problem]).toEqual([true, '']);
    for (const length of [5, 11, 200, 320]) {
      const cut = await readStream(file('head.gz', bytes.subarray(0, length))).catch((error: Error) => error);
      expect((cut as Error).message).toMatch(
        /is empty \(the gzip data are damaged \(unexpected end of file\)\)/,
      );
    }
  });

  it('a wrong checksum or length of a gzip is told', async () => {
    for (const [at, what] of [
      [8, 'incorrect data check'],
      [4, 'incorrect length check'],
    ] as const) {
      const wrong = Buffer.from(packed);
      wrong[wrong.length - at]! ^= 1;
      const { packets, warning } = await readStream(file('sum.gz', wrong));
      expect([packets.length, warning]).toEqual([2000, expect.stringContaining(what)]);
    }
  });

  it('a spool owns its descriptors: none of others is closed, whatever is wrong with the capture', async () => {
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, Math.floor(packed.length * 0.9), Math.floor(packed.length * 0.9) + 200);
    const inputs = [
      file('own-damaged.gz', damaged),
      file('own-padded.gz', Buffer.concat([packed, Buffer.alloc(200_000)])),
      file('own-none.gz', gzipSync(Buffer.alloc(1_000_000))),
      file('own-whole.gz', packed),
    ];
    const closed = vi.spyOn(process, 'emitWarning');
    for (let round = 0; round < 8; round++) {
      for (const input of inputs) {
        const spool = await spoolCapture(input).catch(() => null);
        // Whoever opens now gets the numbers that were free; what is closed late would be one of these.
        const others = Array.from({ length: 8 }, () => openSync('/dev/null', 'r'));
        await new Promise((resolve) => setImmediate(resolve));
        await stat(input);
        for (const fd of others) expect(fstatSync(fd).isCharacterDevice()).toBe(true);
        for (const fd of others) closeSync(fd);
        if (spool !== null) closeSync(spool.fd);
      }
    }
    expect(closed).not.toHaveBeenCalled();
    closed.mockRestore();
  });

  it('what is no capture inside is not written out; what does not fit is one line', async () => {
    const own = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    vi.stubEnv('TMPDIR', join(own, 'missing'));
    try {
      // There is no folder for temporary files, so nothing can have been written.
      await expect(spoolCapture(file('bomb.gz', gzipSync(Buffer.alloc(20_000_000))))).rejects.toThrow(
        /bomb\.gz: not a capture/,
      );
      await expect(spoolCapture(file('short.gz', gzipSync(Buffer.alloc(2))))).rejects.toThrow(
        /short\.gz: is too short to be a capture/,
      );
      await expect(spoolCapture(file('none.gz', gzipSync(Buffer.alloc(0))))).rejects.toThrow(/is empty/);
      await expect(spoolCapture(file('good.gz', packed))).rejects.toThrow(
        /good\.gz: temporary copy in .*missing/,
      );
    } finally {
      vi.unstubAllEnvs();
      rmSync(own, { recursive: true });
    }
  });

  it('a spool waits for no pipe and reads no device', async () => {
    const fifo = file('fifo');
    execFileSync('mkfifo', [fifo]);
    await expect(spoolCapture(fifo)).rejects.toThrow(/fifo: is a pipe, not a regular file/);
    await expect(spoolCapture('/dev/zero')).rejects.toThrow('/dev/zero: is a device, not a regular file');
    await expect(spoolCapture(tmpdir())).rejects.toThrow(/is a directory$/);
  });

  it('can be left early, and closes the file', async () => {
    const capture = await openCapture(file('early.gz', packed));
    for await (const batch of capture) {
      expect(batch.n).toBeGreaterThan(0);
      break;
    }
    await capture.close();
    for await (const _ of capture) expect.unreachable();
  });

  it('spools gzip into a file without a name, readable by position', async () => {
    // A directory of its own for temporary files: others use the common one at the same time.
    const own = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    vi.stubEnv('TMPDIR', own);
    expect(tmpdir()).toBe(own);
    const spool = await spoolCapture(file('spool.gz', packed));
    try {
      expect(spool.warning).toBeNull();
      for (let i = 0; i < 2; i++) {
        const capture = new CaptureFile(spool.fd, spool.name);
        let count = 0;
        for (let batch = capture.next(); batch !== null; batch = capture.next()) count += batch.n;
        expect(count).toBe(2000);
        capture.close();
      }
      expect(readdirSync(own)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(own, { recursive: true });
      closeSync(spool.fd);
    }
    const cut = await spoolCapture(file('spool-cut.gz', packed.subarray(0, packed.length >> 1)));
    closeSync(cut.fd);
    expect(cut.warning).toMatch(/spool-cut\.gz: the gzip data are damaged/);
  });

  it.each(['stream', 'spool'])('reads standard input as a %s', async (how) => {
    const script =
      how === 'stream'
        ? `import { openCapture } from '#rxsteer/capture/stream.js';
           const c = await openCapture('-'); for await (const b of c); console.log(c.status.packets);`
        : `import { spoolCapture } from '#rxsteer/capture/spool.js'; import { CaptureFile } from '#rxsteer/capture/file.js';
           const s = await spoolCapture('-'); const c = new CaptureFile(s.fd, s.name); while (c.next()); console.log(c.status.packets);`;
    const printed = await new Promise<string>((resolve, reject) => {
      const child = execFile(process.execPath, ['--input-type=module', '-e', script], (error, out) =>
        error === null ? resolve(out) : reject(error),
      );
      createReadStream(file('stdin.gz', packed)).pipe(child.stdin!);
    });
    expect(printed).toBe('2000\n');
  });
});
