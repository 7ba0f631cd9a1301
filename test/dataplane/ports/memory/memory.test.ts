import { describe, expect, it } from 'vitest';
import { SendResult } from '#rxsteer/addon/native.js';
import { MemorySink } from '#rxsteer/dataplane/ports/memory/sink.js';
import {
  guestMac,
  STAMP_FLOW_OFFSET,
  STAMP_MARK,
  STAMP_MARK_OFFSET,
  STAMP_SEQUENCE_OFFSET,
  sourceMac,
} from '#rxsteer/dataplane/ports/memory/templates.js';
import { UserError } from '#rxsteer/errors.js';
import { macBytes, verifySum } from '#rxsteer/packet/build.js';
import { internetChecksum } from '#rxsteer/packet/checksum.js';
import {
  makeArrays,
  makePool,
  makeSource,
  makeState,
  sourceOptions as options,
  type SourceKind,
  takeFrames,
} from '../harness.js';

/** Runs a source, `burst` frames a call, until it ends or has given `count` frames. */
function run(
  kind: SourceKind,
  text: Record<string, string>,
  count: number,
  state = makeState(),
  burst = 64,
  port = 0,
): Uint8Array[] {
  const pool = makePool();
  const arrays = makeArrays();
  const source = makeSource(kind, options(text), pool, arrays, state, port);
  const frames: Uint8Array[] = [];
  while (frames.length < count && !source.finished()) {
    const n = source.receive(Math.min(burst, count - frames.length));
    expect(n).toBeGreaterThan(0);
    expect([...arrays.flags.subarray(0, n)].every((flags) => flags === 0)).toBe(true);
    for (let i = 0; i < n; i++) {
      pool.owner[arrays.id[i]!] = 1;
      expect(pool.offsetOf(arrays.id[i]!)).toBe(arrays.off[i]);
    }
    frames.push(...takeFrames(pool, arrays, n));
  }
  expect(pool.inFlight()).toBe(0);
  return frames;
}

const word = (frame: Uint8Array, at: number) => Buffer.from(frame).readUInt32BE(at);
const flowOf = (frame: Uint8Array) => word(frame, STAMP_FLOW_OFFSET);
const sequenceOf = (frame: Uint8Array) => word(frame, STAMP_SEQUENCE_OFFSET);
const hex = (frames: Uint8Array[]) => frames.map((frame) => Buffer.from(frame).toString('hex'));

function expectSound(frame: Uint8Array): void {
  const packet = frame.subarray(14);
  expect(Buffer.from(frame).readUInt16BE(12)).toBe(0x0800);
  expect(Buffer.from(packet).readUInt16BE(2)).toBe(packet.length);
  expect(Buffer.from(packet).readUInt16BE(24)).toBe(packet.length - 20);
  expect(internetChecksum(packet, 0, 20)).toBe(0);
  expect(verifySum({ ethertype: 0x0800, bytes: packet }, 17, 20)).toBe(0xffff);
  expect(Buffer.from(packet).readUInt16BE(26)).not.toBe(0);
  expect(Buffer.from(frame).readUInt16BE(STAMP_MARK_OFFSET)).toBe(STAMP_MARK);
}

describe.each(['typescript', 'native'] as const)('memory source, %s', (kind) => {
  it.each(['60', '61', '64', '127', '1514', '1984', 'imix'])('gives sound frames of size %s', (size) => {
    const frames = run(kind, { size, flows: '37', guests: '5' }, 240);
    for (const frame of frames) expectSound(frame);
    if (size === 'imix') {
      const counts = [60, 590, 1514].map(
        (length) => frames.filter((frame) => frame.length === length).length,
      );
      expect(counts).toEqual([140, 80, 20]);
    } else expect(frames.every((frame) => frame.length === Number(size))).toBe(true);
  });

  it('visits every flow once a round and numbers the frames of a flow consecutively', () => {
    const frames = run(kind, { flows: '30' }, 300);
    for (let round = 0; round < 10; round++) {
      const part = frames.slice(round * 30, round * 30 + 30);
      expect(new Set(part.map(flowOf)).size).toBe(30);
      expect(new Set(part.map(sequenceOf))).toEqual(new Set([round]));
    }
    const orders = new Set(Array.from({ length: 10 }, (_, r) => flowOf(frames[r * 30]!)));
    expect(orders.size).toBeGreaterThan(3);
  });

  it('gives every flow its own tuple and spreads flows over guests', () => {
    const frames = run(kind, { flows: '400', guests: '7' }, 400);
    expect(new Set(frames.map((frame) => Buffer.from(frame).toString('hex', 26, 38))).size).toBe(400);
    for (const frame of frames) {
      expect(frame.slice(0, 6)).toEqual(macBytes(guestMac(flowOf(frame) % 7)));
      expect(frame.slice(6, 12)).toEqual(macBytes(sourceMac(0)));
    }
    expect(guestMac(0)).toBe('02:00:00:00:00:01');
    expect(new Set(frames.map((frame) => word(frame, 0) * 65_536 + word(frame, 2))).size).toBe(7);
  });

  it('depends on the seed and the port, and on nothing else', () => {
    const text = { flows: '50', size: 'imix', seed: '9' };
    const first = hex(run(kind, text, 500));
    expect(hex(run(kind, text, 500, makeState(), 7))).toEqual(first);
    expect(hex(run(kind, { ...text, seed: '10' }, 500))).not.toEqual(first);
    const other = run(kind, text, 50, makeState(), 64, 3);
    expect(other.every((frame) => flowOf(frame) >>> 24 === 3)).toBe(true);
  });

  it('goes on where it stopped when a new object takes over its state', () => {
    const text = { flows: '50', size: 'imix', packets: '1000' };
    const whole = hex(run(kind, text, 1000));
    const state = makeState();
    const parts = [
      run(kind, text, 123, state),
      run(kind, text, 1, state),
      run(kind, text, 333, state),
      run(kind, text, 9999, state),
    ];
    expect(parts.map((part) => part.length)).toEqual([123, 1, 333, 543]);
    expect(hex(parts.flat())).toEqual(whole);
  });

  it('counts beyond 2^32 frames', () => {
    const state = makeState();
    state[0] = -3;
    const frames = run(kind, { flows: '1', packets: String(2 ** 32 + 4) }, 99, state);
    expect(frames.map(sequenceOf)).toEqual([2 ** 32 - 3, 2 ** 32 - 2, 2 ** 32 - 1, 0, 1, 2, 3]);
    expect([...state]).toEqual([4, 1]);
    for (const frame of frames) expectSound(frame);
    expect(run(kind, { flows: '1', packets: String(2 ** 32 + 4) }, 99, state)).toEqual([]);
  });

  it('stops without loss while the pool is empty', () => {
    const pool = makePool(10);
    const arrays = makeArrays();
    const source = makeSource(kind, options({ flows: '1', packets: '15' }), pool, arrays, makeState());
    expect(source.receive(64)).toBe(10);
    expect([...arrays.status]).toEqual([1, 0, 0, 0, 0, 0, 0]);
    expect(source.receive(64)).toBe(0);
    expect(source.dueInMs(performance.now())).toBe(0);
    takeFrames(pool, arrays, 0);
    for (let id = 0; id < 10; id++) pool.free(0, id);
    expect(source.receive(64)).toBe(5);
    expect(arrays.status[0]).toBe(0);
    const frames = takeFrames(pool, arrays, 5);
    expect(frames.map(sequenceOf)).toEqual([10, 11, 12, 13, 14]);
    expect(source.finished()).toBe(true);
    expect(source.dueInMs(performance.now())).toBe(Number.POSITIVE_INFINITY);
  });

  it('gives whole bursts when a rate is set and tells when the next is due', () => {
    const pool = makePool();
    const arrays = makeArrays();
    // One burst every 1000 s: no machine is so slow that a second one becomes due here.
    const source = makeSource(kind, options({ rate: '1', burst: '1000' }), pool, arrays, makeState());
    expect(source.dueInMs(performance.now())).toBe(0);
    let given = 0;
    for (let n = source.receive(64); n > 0; n = source.receive(64)) {
      given += n;
      takeFrames(pool, arrays, n);
    }
    expect(given).toBe(1000);
    const due = source.dueInMs(performance.now());
    expect(due).toBeGreaterThan(900_000);
    expect(due).toBeLessThanOrEqual(1_000_000);
    // At that moment it is due at once.
    expect(source.dueInMs(performance.now() + due)).toBe(0);
  });
});

describe('the options of a source', () => {
  it('have defaults', () => {
    const defaults = {
      target: 'source',
      flows: 64,
      guests: 8,
      size: 60,
      rate: 0,
      burst: 32,
      packets: 0,
      seed: 1,
      stamp: false,
      queues: 1,
      elephant: 'none',
      share: 50,
    };
    expect(options({})).toEqual(defaults);
    const given = { size: 'imix', rate: 1_000_000, stamp: true };
    expect(options(given)).toEqual({ ...defaults, size: 0, rate: 1_000_000, stamp: true });
  });

  it.each([
    [{ flows: '0' }, 'flows=0: expected a whole number from 1 to 1048576'],
    [{ flows: '1e3' }, 'flows=1e3'],
    [{ size: '59' }, 'size=59: expected imix or a whole number from 60 to 1984'],
    [{ size: 'big' }, 'size=big: expected imix or a whole number from 60 to 1984'],
    [{ seed: '4294967296' }, 'seed='],
    [{ packets: '-1' }, 'packets=-1'],
    [{ packets: '9007199254740993' }, 'packets=9007199254740993'],
    [{ guests: '' }, 'guests='],
    [{ stamp: 'yes' }, 'stamp=yes: expected one of off, on'],
    [{ elephant: 'cat' }, 'elephant=cat: expected one of none, flow, guest'],
    [{ flow: '3' }, 'unknown option of port s "flow": did you mean flows'],
  ])('refuse %o', (text, message) => {
    expect(() => options(text as Record<string, string>)).toThrow(UserError);
    expect(() => options(text as Record<string, string>)).toThrow(message);
  });
});

describe('memory sink', () => {
  it('takes everything', () => {
    const sink = new MemorySink();
    expect(sink.send(2, 5)).toBe(3);
    expect([...sink.arrays.result.subarray(2, 5)]).toEqual(new Array(3).fill(SendResult.sent));
    expect([sink.delivers, sink.offload]).toEqual([true, true]);
  });
});
