/**
 * What became of each frame, against ports that log what they were given: the counters must say what the logs say,
 * whatever mix of decisions, kinds of frames and refusals there is. The model reads logs, never the engine's results.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SendResult } from '#rxsteer/addon/native.js';
import { HEADROOM, LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { GuestTable } from '#rxsteer/dataplane/order/guest-sharing.js';
import { classBase, OrderCounter, OrderMeter } from '#rxsteer/dataplane/order/meter.js';
import { makeSendArrays, SEND_MAX, type Sender } from '#rxsteer/dataplane/ports/port.js';
import { DROP_REASONS, PortCounter, portBase, WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { Transmitter } from '#rxsteer/dataplane/worker/transmit.js';
import { Batch, Out } from '#rxsteer/forward/batch.js';
import * as build from '#rxsteer/packet/build.js';
import { FrameFlag } from '#rxsteer/packet/burst.js';
import { VnetFlag, VnetGso, writeVnet } from '#rxsteer/packet/vnet.js';
import { SharedLock } from '#rxsteer/sync/shared-lock.js';
import { makePool } from '../ports/harness.js';

const FRAMES = 24;
/** Port 0 cannot send, 1 is a sink, 2 takes offloads, 3 does not, 4 is held by a worker that stands still, 5 is not there yet. */
const PORTS = 5;
const ROOM = 6;
const NOBODY = 0;
const SINK = 1;
const SOFTWARE = 3;
const STUCK = 4;
const UNWATCHED = -0x8000_0000;
const SEGMENTS = 3;
const RESULTS = ['sent', 'full', 'tooLong', 'down', 'refused', 'segment'] as const;
type Result = (typeof RESULTS)[number];
type Reason = (typeof DROP_REASONS)[number];
const REASONS: Record<string, Reason> = {
  full: 'txFull',
  tooLong: 'tooLong',
  down: 'portDown',
  refused: 'malformed',
};

const KINDS = ['plain', 'checksum', 'badChecksum', 'super', 'badSuper'] as const;
type Kind = (typeof KINDS)[number];
interface Frame {
  readonly out: number;
  readonly kind: Kind;
  readonly late: boolean;
  readonly watched: boolean;
  /** The in-port's budget has room for its flood. */
  readonly granted: boolean;
  readonly from: number;
}
interface Entry {
  readonly port: number;
  readonly frame: number;
  readonly segment: boolean;
  readonly result: Result;
  readonly length: number;
}

const pool = makePool(FRAMES, 17);
const isSuper = (kind: Kind) => kind === 'super' || kind === 'badSuper';
/** Where a TCP segment's source port lies, which tells frames and their segments apart. */
const SPORT_AT = 14 + 20;

function write(i: number, kind: Kind): number {
  const { bytes } = pool;
  const off = pool.offsetOf(i);
  const segment = build.tcp({ sport: i, dport: 80, checksum: 'partial' }, isSuper(kind) ? 100 * SEGMENTS : 6);
  const frame = build.ethernet(
    { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' },
    build.ipv4({ src: '192.0.2.1', dst: '198.51.100.7' }, segment),
  );
  bytes.set(frame, off);
  const size = kind === 'super' ? 100 : 0;
  const start = kind === 'badChecksum' ? 0x7fff : SPORT_AT;
  writeVnet(bytes, off, VnetFlag.needsCsum, size > 0 ? VnetGso.tcp4 : VnetGso.none, 0, size, start, 16);
  return frame.length;
}

function flagsOf(kind: Kind): number {
  if (kind === 'plain') return 0;
  return FrameFlag.vnet | FrameFlag.needsCsum | (isSuper(kind) ? FrameFlag.gso : 0);
}

const log: Entry[] = [];
let draw: () => Result = () => 'sent';

/** A port that answers what is drawn, and logs it. */
function port(number: number): Sender {
  const arrays = makeSendArrays();
  return {
    arrays,
    offload: number !== SOFTWARE,
    delivers: number === SINK,
    send(first, to) {
      let sent = 0;
      for (let k = first; k < to; k++) {
        const off = arrays.off[k]!;
        const frame = (pool.bytes[off + SPORT_AT]! << 8) | pool.bytes[off + SPORT_AT + 1]!;
        const whole = (arrays.flags[k]! & FrameFlag.gso) !== 0;
        const drawn = draw();
        const result = drawn === 'segment' && !whole ? 'sent' : drawn;
        arrays.result[k] = SendResult[result];
        if (result === 'segment') {
          arrays.result.fill(SendResult.untried, k + 1, to);
          return sent;
        }
        log.push({ port: number, frame, segment: k >= SEND_MAX, result, length: arrays.len[k]! });
        if (result === 'sent') sent++;
      }
      return sent;
    },
    close() {},
  };
}

const counters = new Float64Array(64);
const portCounters = new Float64Array(portBase(ROOM));
const orderCounters = new Float64Array(64);
const finished = new Int32Array(2 * FRAMES);
const locks = new Int32Array(new SharedArrayBuffer(LINE_WORDS * 4));
new SharedLock(locks, 0, 9).tryTake();
const floods = Uint8Array.of(1, 1, 1, 1, 1, 0);
let frames: readonly Frame[] = [];
let flooding = 0;

const transmitter = new Transmitter({
  worker: 0,
  pool,
  senders: [null, port(1), port(2), port(3), port(4), null],
  floods,
  lockOf: Int32Array.of(-1, -1, -1, -1, 0, -1),
  locks,
  meter: new OrderMeter(
    finished,
    { append: () => -1 } as never,
    orderCounters,
    new GuestTable(new Int32Array(2 + 2 * 8192)),
  ),
  counters,
  portCounters,
  floodBudget: {
    // Asked once a flood, in batch order.
    take() {
      while (frames[flooding]!.out !== Out.flood) flooding++;
      return frames[flooding++]!.granted;
    },
  } as never,
  floodRates: new Float64Array(ROOM).fill(1),
  scratch: pool.offsetOf(FRAMES) - HEADROOM,
  yieldThread() {},
});
transmitter.ports = PORTS;

function nowhere({ out, granted }: Frame): Reason {
  if (out === Out.filtered || (out === Out.flood && !granted)) return 'filtered';
  return out === Out.malformed ? 'malformed' : 'noRoute';
}

function isForStuck({ out, from, granted }: Frame): boolean {
  return out === STUCK || (out === Out.flood && granted && from !== STUCK);
}

/** What the counters must be. */
function model() {
  const want = {
    transmitted: 0,
    delivered: 0,
    floodedCopies: 0,
    deliveredCopies: 0,
    copiesDropped: 0,
    segmentCopies: 0,
    reordered: 0,
    watched: 0,
    dropped: Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<Reason, number>,
    arrived: [] as boolean[],
    ports: Array.from({ length: ROOM }, () => ({ packets: 0, bytes: 0, errors: 0, tooLong: 0, uncut: 0 })),
  };
  frames.forEach((frame, i) => {
    const all = Array.from({ length: PORTS }, (_, p) => p);
    const flood = frame.granted ? all.filter((p) => p !== frame.from && floods[p] === 1) : [];
    const to = frame.out === Out.flood ? flood : all.filter((p) => p === frame.out);
    let reason = nowhere(frame);
    let failed = 0;
    let copies = 0;
    let handed = 0;
    for (const p of to) {
      const figures = want.ports[p]!;
      const mine = log.filter((entry) => entry.port === p && entry.frame === i);
      const sent = mine.filter(({ result }) => result === 'sent');
      const lost = mine.filter(({ result }) => result !== 'sent');
      const last = lost.at(-1)?.result;
      figures.packets += sent.length;
      figures.bytes += sent.reduce((sum, { length }) => sum + length, 0);
      figures.errors += p === NOBODY ? 0 : lost.length;
      figures.tooLong += last === 'tooLong' ? lost.length : 0;
      if (sent.length > 0) {
        if (p === SINK) handed++;
        else {
          copies++;
          want.segmentCopies += sent.length - 1;
        }
        failed += lost.length;
        continue;
      }
      failed++;
      if (p === NOBODY) reason = 'noRoute';
      else if (p === STUCK) {
        reason = 'txFull';
        figures.errors++;
      } else if (last !== undefined) reason = REASONS[last]!;
      else {
        // It never met the port: it could not be finished.
        reason = 'malformed';
        if (isSuper(frame.kind)) {
          figures.errors++;
          figures.uncut++;
        }
      }
    }
    const arrived = copies + handed > 0;
    want.arrived.push(arrived);
    if (!arrived) {
      want.dropped[reason]++;
      return;
    }
    want.copiesDropped += failed;
    if (copies > 0) {
      want.transmitted++;
      want.floodedCopies += copies - 1;
      want.deliveredCopies += handed;
    } else {
      want.delivered++;
      want.deliveredCopies += handed - 1;
    }
    if (frame.watched) want.watched++;
    if (frame.watched && frame.late) want.reordered++;
  });
  return want;
}

function told(arrived: boolean[]): ReturnType<typeof model> {
  const of = (counter: number) => counters[counter]!;
  return {
    transmitted: of(WorkerCounter.transmitted),
    delivered: of(WorkerCounter.delivered),
    floodedCopies: of(WorkerCounter.floodedCopies),
    deliveredCopies: of(WorkerCounter.deliveredCopies),
    copiesDropped: of(WorkerCounter.copiesDropped),
    segmentCopies: of(WorkerCounter.segmentCopies),
    reordered: of(WorkerCounter.reordered),
    watched: orderCounters[classBase(0) + OrderCounter.frames]!,
    dropped: Object.fromEntries(
      DROP_REASONS.map((reason, at) => [reason, of(WorkerCounter.dropped + at)]),
    ) as Record<Reason, number>,
    arrived,
    ports: Array.from({ length: ROOM }, (_, p) => {
      const at = (counter: number) => portCounters[portBase(p) + counter]!;
      const sink = p === SINK;
      expect([
        at(sink ? PortCounter.txPackets : PortCounter.deliveredPackets),
        at(sink ? PortCounter.txBytes : PortCounter.deliveredBytes),
      ]).toEqual([0, 0]);
      return {
        packets: at(sink ? PortCounter.deliveredPackets : PortCounter.txPackets),
        bytes: at(sink ? PortCounter.deliveredBytes : PortCounter.txBytes),
        errors: at(PortCounter.txErrors),
        tooLong: at(PortCounter.txTooLong),
        uncut: at(PortCounter.unsegmentable),
      };
    }),
  };
}

const frame = (out: fc.Arbitrary<number>, kinds: readonly Kind[]): fc.Arbitrary<Frame> =>
  fc.record({
    out,
    kind: fc.constantFrom(...kinds),
    late: fc.boolean(),
    watched: fc.boolean(),
    granted: fc.boolean(),
    from: fc.integer({ min: 0, max: PORTS - 1 }),
  });
const anywhere = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: ROOM - 1 }) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(Out.flood, Out.flood, Out.noRoute, Out.filtered, Out.malformed),
  },
);
const batches = fc.oneof(
  fc.array(frame(anywhere, KINDS), { minLength: 1, maxLength: FRAMES }),
  // All to one port, and all to ports that just send: what takes the short ways.
  fc
    .tuple(fc.integer({ min: 0, max: PORTS - 1 }), fc.constantFrom(KINDS.slice(0, 1), KINDS))
    .chain(([p, kinds]) => fc.array(frame(fc.constant(p), kinds), { minLength: 1, maxLength: FRAMES })),
  fc.array(frame(fc.constantFrom(1, 2, 3), KINDS.slice(0, 2)), { minLength: 1, maxLength: FRAMES }),
);
const answers = fc.oneof(
  fc.constant<Result[]>(['sent']),
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<Result>('sent') },
      { weight: 4, arbitrary: fc.constantFrom(...RESULTS) },
    ),
    { minLength: 1, maxLength: 40 },
  ),
);

it('the counters say what the ports saw, frame by frame', () => {
  fc.assert(
    fc.property(batches, answers, (drawn, results) => {
      frames = drawn;
      flooding = 0;
      log.length = 0;
      let next = 0;
      draw = () => results[next++ % results.length]!;
      for (const array of [counters, portCounters, orderCounters, finished]) array.fill(0);
      const batch = new Batch();
      frames.forEach(({ out, kind, late, watched, from }, i) => {
        batch.add({
          id: i,
          len: write(i, kind),
          port: from,
          flags: flagsOf(kind),
          ledger: watched ? i : UNWATCHED,
          seq: late ? -1 : 1,
        });
        batch.out[i] = out;
      });
      transmitter.send(batch);
      const arrived = frames.map((_, i) => transmitter.arrived(i));
      transmitter.commit(batch);
      expect(told(arrived)).toEqual(model());
      expect(counters[WorkerCounter.processed]).toBe(frames.length);
      // One try for the queue of the worker that stands still, if any frame goes there.
      const tries = frames.some(isForStuck) ? 1 : 0;
      expect(counters[WorkerCounter.lockContended]).toBe(tries);
      expect(counters[WorkerCounter.lockWaitNs]! > 0).toBe(tries > 0);
      expect(batch.n).toBe(0);
    }),
    { numRuns: 700, seed: 20 },
  );
});
