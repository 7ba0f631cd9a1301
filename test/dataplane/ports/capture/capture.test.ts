import { closeSync, openSync, symlinkSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { ReceiveStatus, SendResult } from '#rxsteer/addon/native.js';
import { CaptureFile } from '#rxsteer/capture/file.js';
import { type CaptureSpool, spoolCapture } from '#rxsteer/capture/spool.js';
import { LARGE_FRAME_MAX, SMALL_FRAME_MAX } from '#rxsteer/dataplane/memory/layout.js';
import { CaptureSource } from '#rxsteer/dataplane/ports/capture/source.js';
import { CaptureSender, createCaptureFile } from '#rxsteer/dataplane/ports/capture/writer.js';
import { ethernet, ipv4, payloadBytes, udp } from '#rxsteer/packet/build.js';
import { FrameFlag } from '#rxsteer/packet/burst.js';
import { packetsOf, pcap, temporaryFiles } from '../../../capture/files.js';
import { makeArrays, makePool, makeState, takeFrames } from '../harness.js';

const file = temporaryFiles();
const spools: CaptureSpool[] = [];
afterEach(() => {
  for (const { fd } of spools.splice(0)) closeSync(fd);
});

async function spoolOf(bytes: Uint8Array, name = 'source.pcap'): Promise<CaptureSpool> {
  const spool = await spoolCapture(file(name, bytes));
  spools.push(spool);
  return spool;
}

const many = Array.from({ length: 1000 }, (_, i) => ({ data: payloadBytes(1 + ((i * 31) % 1600)) }));
const hex = (frames: readonly Uint8Array[]) => frames.map((frame) => Buffer.from(frame).toString('hex'));

describe('capture source', () => {
  it('gives every packet once, in order, through slots of the pool', async () => {
    for (const bytes of [pcap(many), gzipSync(pcap(many))]) {
      const spool = await spoolOf(bytes);
      const pool = makePool(100);
      const arrays = makeArrays();
      const state = makeState();
      const source = new CaptureSource(spool, pool, 0, arrays, state);
      const frames: Uint8Array[] = [];
      while (!source.finished()) {
        expect(source.dueInMs()).toBe(0);
        const n = source.receive(50);
        expect([...arrays.status]).toEqual([0, 0, 0, 0, 0, 0, 0]);
        for (let i = 0; i < n; i++) {
          const off = arrays.off[i]!;
          expect(pool.owner[arrays.id[i]!]).toBe(1);
          expect(pool.bytes.subarray(off - 10, off).every((byte) => byte === 0)).toBe(true);
          // The slot's rest is as it was.
          expect(pool.bytes[off + arrays.len[i]!]).toBe(0xcc);
          expect(arrays.flags[i]).toBe(0);
        }
        frames.push(...takeFrames(pool, arrays, n));
        for (let i = 0; i < n; i++) pool.bytes.fill(0xcc, arrays.off[i], arrays.off[i]! + arrays.len[i]!);
      }
      expect(hex(frames)).toEqual(hex(many.map((record) => record.data)));
      expect(source.dueInMs()).toBe(Number.POSITIVE_INFINITY);
      expect([source.warning(), state[0], state[1], pool.inFlight()]).toEqual([null, 1000, 0, 0]);
      expect(source.receive(50)).toBe(0);
    }
  });

  it('goes on where it stopped when a new object takes over its state', async () => {
    const spool = await spoolOf(pcap(many));
    const pool = makePool();
    const arrays = makeArrays(400);
    const state = makeState();
    const frames: Uint8Array[] = [];
    for (const count of [1, 300, 255, 400, 400]) {
      const source = new CaptureSource(spool, pool, 0, arrays, state);
      frames.push(...takeFrames(pool, arrays, source.receive(count)));
    }
    expect(hex(frames)).toEqual(hex(many.map((record) => record.data)));
  });

  it('stops without loss while slots of the size are missing, and says which', async () => {
    const records = [60, 2000, 60, LARGE_FRAME_MAX, SMALL_FRAME_MAX, 2000].map((length) => ({
      data: payloadBytes(length),
    }));
    const pool = makePool(2, 1);
    const arrays = makeArrays();
    const source = new CaptureSource(await spoolOf(pcap(records)), pool, 0, arrays, makeState());
    const frames: Uint8Array[] = [];
    const stops: number[] = [];
    while (!source.finished()) {
      const n = source.receive(64);
      stops.push(arrays.status[ReceiveStatus.stopped]!);
      frames.push(...takeFrames(pool, arrays, n));
    }
    expect(hex(frames)).toEqual(hex(records.map((record) => record.data)));
    expect(stops).toEqual([2, 2, 0]);
  });

  it('counts what no slot takes and what is no frame, and marks packets that were captured short', async () => {
    const records = [
      { data: payloadBytes(LARGE_FRAME_MAX + 1) },
      { data: payloadBytes(64), original: 1514 },
      { data: new Uint8Array(0) },
      { data: payloadBytes(60) },
    ];
    const arrays = makeArrays();
    const pool = makePool();
    const source = new CaptureSource(await spoolOf(pcap(records)), pool, 0, arrays, makeState());
    expect(source.receive(64)).toBe(2);
    expect([...arrays.status]).toEqual([0, 1, 1, 0, 0, 0, 0]);
    expect([...arrays.flags.subarray(0, 2)]).toEqual([FrameFlag.truncated, 0]);
    // Packets that are left out count towards the maximum of a call: it is bounded.
    const again = new CaptureSource(spools[0]!, pool, 0, arrays, makeState());
    expect(again.receive(1)).toBe(0);
    expect(arrays.status[ReceiveStatus.tooLong]).toBe(1);
    expect(again.finished()).toBe(false);
  });

  it('presents raw IP and cooked packets as Ethernet', async () => {
    const packet = ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, udp({ sport: 1, dport: 2 }, 'x'));
    const zero = '00:00:00:00:00:00';
    const pool = makePool();
    const arrays = makeArrays();
    const raw = new CaptureSource(
      await spoolOf(pcap([{ data: packet.bytes }], { linkType: 101 })),
      pool,
      0,
      arrays,
      makeState(),
    );
    expect(raw.receive(9)).toBe(1);
    expect(takeFrames(pool, arrays, 1)).toEqual([ethernet({ src: zero, dst: zero }, packet)]);
    const records = [{ data: payloadBytes(15) }, { data: new Uint8Array(16 + 9) }];
    const cooked = new CaptureSource(
      await spoolOf(pcap(records, { linkType: 113 })),
      pool,
      0,
      arrays,
      makeState(),
    );
    expect(cooked.receive(9)).toBe(1);
    expect([arrays.len[0], arrays.status[ReceiveStatus.malformed]]).toEqual([23, 1]);
  });

  it('ends with a warning where the file is damaged', async () => {
    const arrays = makeArrays();
    const bytes = pcap(many.slice(0, 20));
    const source = new CaptureSource(
      await spoolOf(bytes.subarray(0, -1), 'cut.pcap'),
      makePool(),
      0,
      arrays,
      makeState(),
    );
    expect(source.receive(64)).toBe(19);
    expect(source.finished()).toBe(true);
    expect(source.warning()).toMatch(/cut\.pcap: cut off after packet 19$/);
  });

  it('ends when the file cannot be read any more', () => {
    const fd = openSync(file('gone.pcap', pcap(many)), 'r');
    closeSync(fd);
    const source = new CaptureSource(
      { fd: 9999, name: 'gone', warning: null },
      makePool(),
      0,
      makeArrays(),
      makeState(),
    );
    expect(source.receive(64)).toBe(0);
    expect(source.finished()).toBe(true);
    expect(source.warning()).toMatch(/^gone: /);
  });
});

describe('capture writer port', () => {
  it('writes the frames of every send, whole, from several workers', () => {
    const path = file('out.pcap');
    createCaptureFile(path);
    const pool = makePool();
    const senders = [new CaptureSender(path, pool.bytes), new CaptureSender(path, pool.bytes)];
    pool.bytes.set(payloadBytes(100_000));
    const memory = Buffer.from(pool.bytes.buffer);
    const wanted: string[] = [];
    const before = Date.now();
    for (let round = 0; round < 20; round++) {
      const sender = senders[round & 1]!;
      const { off, len, result } = sender.arrays;
      result.fill(9);
      for (let i = 0; i < 256; i++) {
        off[i] = (round * 11 + i * 3) % 2000;
        // Some calls exceed the writer's buffer.
        len[i] = round % 7 === 3 ? 5000 : 60 + i;
        if (i >= 3) wanted.push(memory.toString('hex', off[i], off[i]! + len[i]!));
      }
      expect(sender.send(3, 256)).toBe(253);
      expect([...result.subarray(0, 4)]).toEqual([9, 9, 9, SendResult.sent]);
      expect(result.subarray(3, 256).every((value) => value === SendResult.sent)).toBe(true);
    }
    expect([senders[0]!.delivers, senders[0]!.offload, senders[0]!.problem()]).toEqual([true, false, null]);
    // Without waiting for close: a reader sees what was sent.
    const reader = CaptureFile.open(path);
    const packets = [];
    for (let batch = reader.next(); batch !== null; batch = reader.next()) packets.push(...packetsOf(batch));
    reader.close();
    for (const sender of senders) sender.close();
    expect(packets.map((packet) => packet.data)).toEqual(wanted);
    for (const packet of packets) {
      const ms = packet.seconds * 1000 + packet.nanoseconds / 1e6;
      expect(ms).toBeGreaterThan(before - 60_000);
      expect(ms).toBeLessThan(Date.now() + 60_000);
      expect(packet.nanoseconds).toBeLessThan(1e9);
    }
  });

  it('refuses frames while the disk is full', () => {
    const path = file('full.pcap');
    symlinkSync('/dev/full', path);
    const sender = new CaptureSender(path, makePool().bytes);
    sender.arrays.off.fill(64);
    sender.arrays.len.fill(60);
    for (let i = 0; i < 2; i++) {
      expect(sender.send(0, 5)).toBe(0);
      expect([...sender.arrays.result.subarray(0, 6)]).toEqual([3, 3, 3, 3, 3, 0]);
    }
    expect(sender.problem()).toMatch(/full\.pcap: no space left on the device; frames are lost$/);
    sender.close();
  });
});
