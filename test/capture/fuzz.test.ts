import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureCore } from '#rxsteer/capture/core.js';
import { openCapture } from '#rxsteer/capture/stream.js';
import { UserError } from '#rxsteer/errors.js';
import { payloadBytes } from '#rxsteer/packet/build.js';
import * as files from './files.js';

const file = files.temporaryFiles();
const data = [payloadBytes(60), payloadBytes(333), payloadBytes(1514), payloadBytes(9)];

const seeds = [true, false].flatMap((little) => [
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

const mutation = fc.record({
  at: fc.nat(),
  value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  /** Fields are 4 bytes: a single byte rarely makes an absurd one. */
  width: fc.constantFrom(1, 2, 4),
});

function mutate(
  seed: Buffer,
  changes: readonly { at: number; value: number; width: number }[],
  cut: number,
): Buffer {
  const bytes = Buffer.from(seed);
  // Most changes go to the front, where the headers are.
  for (const { at, value, width } of changes) {
    const place = at % (at & 1 ? bytes.length : 128);
    bytes.fill(value, place, Math.min(place + width, bytes.length));
  }
  return bytes.subarray(0, bytes.length - (cut % 40 === 0 ? cut % bytes.length : 0));
}

/** Feeds a core in pieces; returns the packets and what was thrown or warned. Checks every bound of a batch. */
function feed(bytes: Buffer, piece: number): { packets: files.Packet[]; said: string } {
  const core = new CaptureCore('x');
  const packets: files.Packet[] = [];
  const drain = () => {
    while (core.decode()) {
      for (let i = 0; i < core.batch.n; i++) {
        const { off, len, original, nanoseconds } = core.batch;
        const inside = off[i]! >= 0 && off[i]! + len[i]! <= core.end && original[i]! >= len[i]!;
        const time = nanoseconds[i]! >= 0 && nanoseconds[i]! < 1_000_000_000;
        if (!inside || !time)
          expect.unreachable(`packet ${i}: ${JSON.stringify(files.packetsOf(core.batch)[i])}`);
      }
      packets.push(...files.packetsOf(core.batch));
    }
  };
  let said = '';
  try {
    for (let at = 0; at < bytes.length && !core.stopped; ) {
      const count = Math.min(core.room(), piece, bytes.length - at);
      if (count <= 0) expect.unreachable('the window is full and nothing is decoded');
      core.bytes.set(bytes.subarray(at, at + count), core.end);
      core.added(count);
      at += count;
      drain();
    }
    core.finish();
    said = core.status.warning ?? '';
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    said = (error as Error).message;
  }
  expect(said).not.toContain('\n');
  // Whatever the file claims: a window for the largest packet or header block that is believed.
  expect(core.bytes.length).toBeLessThanOrEqual(2 << 20);
  expect(core.status.packets).toBe(packets.length);
  return { packets, said };
}

describe('mutated captures', () => {
  it('never crash, hang or allocate absurdly, and do not depend on how the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: seeds.length - 1 }),
        fc.array(mutation, { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 5000 }),
        fc.integer({ min: 1, max: 700 }),
        (which, changes, cut, piece) => {
          const bytes = mutate(seeds[which]!, changes, cut);
          expect(feed(bytes, piece)).toEqual(feed(bytes, 1 << 20));
        },
      ),
      { seed: 7, numRuns: 1500 },
    );
  });

  it('are all read whole before they are mutated', () => {
    expect(seeds.map((seed) => feed(seed, 50).packets.length)).toEqual([4, 6, 4, 6]);
    expect(seeds.map((seed) => feed(seed, 50).said)).toEqual(['', '', '', '']);
  });

  it('stay within bounds inside gzip, whose own bytes are mutated too', async () => {
    const path = file('fuzz.gz');
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 3 }),
        fc.array(mutation, { maxLength: 2 }),
        fc.nat({ max: 3000 }),
        async (which, changes, cut) => {
          file('fuzz.gz', mutate(gzipSync(seeds[which]!), changes, cut));
          try {
            let count = 0;
            for await (const batch of await openCapture(path)) count += batch.n;
            expect(count).toBeLessThanOrEqual(6);
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
          }
        },
      ),
      { seed: 8, numRuns: 300 },
    );
  });
});
