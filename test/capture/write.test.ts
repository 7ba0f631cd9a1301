import { mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CaptureFile } from '#rxsteer/capture/file.js';
import { CaptureWriter, createCaptureFile } from '#rxsteer/capture/writer.js';
import { UserError } from '#rxsteer/errors.js';
import { payloadBytes } from '#rxsteer/packet/build.js';
import * as files from './files.js';

const file = files.temporaryFiles();

function readAll(path: string): { packets: files.Packet[]; warning: string | null } {
  const capture = CaptureFile.open(path);
  const packets: files.Packet[] = [];
  for (let batch = capture.next(); batch !== null; batch = capture.next())
    packets.push(...files.packetsOf(batch));
  capture.close();
  return { packets, warning: capture.status.warning };
}

describe.each(['pcap', 'pcapng'])('writing %s', (format) => {
  const nanosecond = { pcap: 0xa1b23c4d, pcapng: 0 }[format]!;

  it('gives back what was written, over many flushes', () => {
    const path = file(`round.${format}`);
    const writer = CaptureWriter.create(path);
    const bytes = payloadBytes(70_000);
    const wanted = Array.from({ length: 3000 }, (_, i) => {
      const len = (i * 53) % 1519;
      const packet = {
        off: i % 97,
        len,
        original: len + (i % 3),
        seconds: 4_294_000_000 + i,
        nanoseconds: 999_999_999 - i,
      };
      writer.write(bytes, packet.off, len, packet.original, packet.seconds, packet.nanoseconds);
      return packet;
    });
    writer.write(bytes, 0, 67_520, 67_520, 1, 2);
    expect(writer.close()).toBe(true);
    expect([writer.frames, writer.lost, writer.pending, writer.problem]).toEqual([3001, 0, 0, null]);
    const { packets, warning } = readAll(path);
    expect(warning).toBeNull();
    expect(packets.pop()!.data.length).toBe(2 * 67_520);
    expect(packets).toEqual(
      wanted.map(({ off, len, original, seconds, nanoseconds }) => ({
        data: Buffer.from(bytes).toString('hex', off, off + len),
        original,
        linkType: 1,
        seconds,
        nanoseconds,
      })),
    );
  });

  it('writes the file byte for byte as the format says', () => {
    const path = file(`bytes.${format}`);
    const writer = CaptureWriter.create(path);
    const data = payloadBytes(61);
    writer.write(data, 0, 61, 90, 1_700_000_000, 123_456_789);
    writer.close();
    const tsresol = files.option(true, 9, Uint8Array.of(9));
    const wanted =
      format === 'pcap'
        ? files.pcap([{ data, original: 90, seconds: 1_700_000_000, fraction: 123_456_789 }], {
            magic: nanosecond,
            snap: 262_144,
          })
        : Buffer.concat([
            files.section(),
            files.netInterface(true, 1, [tsresol], 262_144),
            files.enhanced(true, 0, files.ticks(1_700_000_000_123_456_789n), data, { original: 90 }),
          ]);
    expect(readFileSync(path).toString('hex')).toBe(wanted.toString('hex'));
  });

  it('appends whole records when several writers share a file', () => {
    const path = file(`shared.${format}`);
    createCaptureFile(path);
    const writers = [new CaptureWriter(path), new CaptureWriter(path), new CaptureWriter(path)];
    for (let i = 0; i < 300; i++) {
      const writer = writers[(i * 7) % 3]!;
      writer.write(payloadBytes(100 + i), 0, 100 + i, 100 + i, i, 0);
      if (i % 5 === 0) writer.flush();
    }
    for (const writer of writers) writer.close();
    const { packets, warning } = readAll(path);
    expect(warning).toBeNull();
    const lengths = packets.map((packet) => packet.seconds).sort((a, b) => a - b);
    expect(lengths).toEqual(Array.from({ length: 300 }, (_, i) => i));
    for (const packet of packets) {
      expect(packet.data).toBe(Buffer.from(payloadBytes(100 + packet.seconds)).toString('hex'));
    }
  });
});

describe('failures', () => {
  it('counts the frames of a full disk and reports it once', () => {
    const full = file('full.pcap');
    symlinkSync('/dev/full', full);
    const writer = new CaptureWriter(full);
    for (let i = 0; i < 5; i++) writer.write(payloadBytes(60), 0, 60, 60, 0, 0);
    expect(writer.flush()).toBe(false);
    expect([writer.frames, writer.lost, writer.pending]).toEqual([0, 5, 0]);
    expect(writer.problem).toBe(`${full}: no space left on the device; frames are lost`);
    writer.write(payloadBytes(60), 0, 60, 60, 0, 0);
    expect(writer.close()).toBe(false);
    expect(writer.lost).toBe(6);
  });

  it('empties a file that is there, and refuses what is no file', () => {
    const path = file('old.pcap', Buffer.alloc(1000));
    createCaptureFile(path);
    expect(statSync(path).size).toBe(24);
    mkdirSync(file('directory'));
    for (const [name, message] of [
      ['directory', /directory: is a directory$/],
      ['missing/x.pcap', /x\.pcap: its folder does not exist$/],
      [
        'x.pcap.gz',
        /x\.pcap\.gz: a capture is not compressed while it is written: give a name without \.gz$/,
      ],
      ['x.pcapng.ZST', /give a name without \.ZST$/],
    ] as const) {
      expect(() => createCaptureFile(file(name))).toThrow(message);
      expect(() => createCaptureFile(file(name))).toThrow(UserError);
    }
    expect(() => new CaptureWriter(file('absent.pcap'))).toThrow(/no such file/);
  });
});

describe('comments', () => {
  const frame = payloadBytes(61);
  const write = (path: string, comments: readonly string[]) => {
    const writer = CaptureWriter.create(path);
    for (const [i, comment] of comments.entries()) {
      if (comment !== '') writer.comment(comment);
      writer.write(frame, 0, frame.length, frame.length, i, 0);
    }
    expect(writer.close()).toBe(true);
    return readFileSync(path);
  };

  it('are options of the packet in pcapng, padded to words, and of that packet only', () => {
    const bytes = write(file('comment.pcapng'), ['why?', 'because', '']);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    // Behind section and interface: 28 + 64 of the packet, the option with its padding, the end of options, the length.
    let at = 60;
    for (const comment of ['why?', 'because']) {
      const padded = (comment.length + 3) & ~3;
      const total = 28 + 64 + 4 + padded + 4 + 4;
      expect([view.getUint32(at, true), view.getUint32(at + 4, true)]).toEqual([6, total]);
      const option = at + 28 + 64;
      expect([view.getUint16(option, true), view.getUint16(option + 2, true)]).toEqual([1, comment.length]);
      expect(bytes.toString('utf8', option + 4, option + 4 + comment.length)).toBe(comment);
      expect(view.getUint32(option + 4 + padded, true)).toBe(0);
      expect(view.getUint32(at + total - 4, true)).toBe(total);
      at += total;
    }
    expect(view.getUint32(at + 4, true)).toBe(32 + 64);
    expect(readAll(file('comment.pcapng')).packets.length).toBe(3);
  });

  it('are left out of pcap, and cut at what an option can hold', () => {
    expect(write(file('comment.pcap'), ['why?']).includes('why?')).toBe(false);
    const path = file('long.pcapng');
    write(
      path,
      Array.from({ length: 20 }, () => 'x'.repeat(70_000)),
    );
    const { packets, warning } = readAll(path);
    expect([packets.length, warning]).toEqual([20, null]);
  });
});
