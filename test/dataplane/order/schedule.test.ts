/**
 * The intake under a deterministic scheduler: one worker that steers, others that the test lets take, send and report
 * when a seeded schedule says so, on a clock that the schedule moves. Thousands of interleavings; a failure shrinks to
 * the shortest one.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { Progress } from '#rxsteer/dataplane/memory/progress.js';
import { RingConsumer, repairRing } from '#rxsteer/dataplane/memory/ring.js';
import { FLOW_SLOTS, QUEUE_SLOTS } from '#rxsteer/dataplane/order/flow-slot.js';
import { GuestTable } from '#rxsteer/dataplane/order/guest-sharing.js';
import { OrderHistory } from '#rxsteer/dataplane/order/history.js';
import { Ledger } from '#rxsteer/dataplane/order/ledger.js';
import { OrderMeter } from '#rxsteer/dataplane/order/meter.js';
import { MoveCounter } from '#rxsteer/dataplane/order/move-counter.js';
import { openPorts } from '#rxsteer/dataplane/ports/open.js';
import { DROP_REASONS, WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { allocateEngineMemory, attachEngine } from '#rxsteer/dataplane/shared/engine-memory.js';
import { CensusReader, CensusWriter } from '#rxsteer/dataplane/shared/flow-census.js';
import { RxStage } from '#rxsteer/dataplane/worker/receive.js';
import type { RxStageParts } from '#rxsteer/dataplane/worker/rx-parts.js';
import { BATCH_MAX, Batch } from '#rxsteer/forward/batch.js';
import { arp, ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { WHOLE } from '../../support/matrix.js';
import { engineOptions } from '../engine/run-engine.js';

const WORKERS = 4;

/** Frames of flows that all compete for the same ways of the ledger, and of some that are not IP. */
const FRAMES = (() => {
  const one = (sport: number) =>
    ethernet(
      { src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' },
      ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport, dport: 9 })),
    );
  const burst = new Burst(new Uint8Array(2048));
  const place = (sport: number) => {
    const frame = one(sport);
    burst.bytes.set(frame);
    burst.n = 0;
    burst.add(0, frame.length);
    dissectBurst(burst);
    const flow = burst.flow[0]!;
    return ((flow ^ (flow >>> 15)) & (FLOW_SLOTS - 1)) >>> 2;
  };
  const wanted = place(1);
  const sports = [1];
  for (let sport = 2; sports.length < 7; sport++) if (place(sport) === wanted) sports.push(sport);
  const plain = ['02:00:00:00:00:07', '02:00:00:00:00:08'].map((src) =>
    ethernet(
      { src, dst: 'ff:ff:ff:ff:ff:ff' },
      arp({ operation: 1, senderMac: src, senderIp: '10.0.0.1', targetIp: '10.0.0.2' }),
    ),
  );
  return [...sports.map(one), ...plain];
})();

/** Ports are opened once: each run has memory of its own. */
const BASE = await (async () => {
  const options = engineOptions({
    ports: ['a=memory:source', 'b=memory:sink'],
    workers: WORKERS,
    more: { smallFrames: 1024, largeFrames: 4 },
  });
  const ports = await openPorts(options.ports, options);
  const plan = planEngine(options, ports);
  ports.close();
  return plan;
})();

interface Sent {
  readonly frame: number;
  /** How many frames were received before it. */
  readonly seq: number;
}

/** Where numbers and milliseconds begin: near 0, and just below the wrap-arounds of signed and unsigned 32 bits. */
const STARTS = [0, 0x7fff_ffe0, -32] as const;
const CLOCKS = [1000, 2 ** 31 - 20, 2 ** 32 - 20] as const;

class Schedule {
  /** What left, in order. */
  readonly out: Sent[] = [];
  /** Frames in the order in which workers reported them, as far as the ledger watched them. */
  readonly reported: Sent[] = [];
  received = 0;
  died = 0;
  now: number;
  private readonly views;
  private readonly rxStage: RxStage;
  private readonly producer: RingProducer;
  private readonly ownBatch: Batch;
  private readonly hands: { batch: Batch; sent: boolean }[];
  private readonly consumers: (RingConsumer | null)[];
  private readonly meters: OrderMeter[];
  /** The frame with a sequence number: which one it is, and how many came before. */
  private readonly frameOf = new Map<number, Sent>();
  private next: { frame: number; worker: number }[] = [];

  constructor(
    order: 'strict' | 'none',
    limits: { postponeMaxMs: number; holdMaxFrames: number; holdMaxMs: number },
    backlog: number,
    private readonly start = 0,
    clock = 1000,
  ) {
    this.now = clock;
    vi.spyOn(performance, 'now').mockImplementation(() => this.now);
    const plan = { ...BASE, order, orderLimits: limits, backlog, smallPerWorker: 256, largePerWorker: 64 };
    const none = new SharedArrayBuffer(8);
    const extra = { policy: none, switching: none, events: [-1, -1, -1, -1] };
    const memory = allocateEngineMemory(plan, extra, start);
    const views = attachEngine(plan, memory);
    this.views = views;
    const progress = new Progress(views.rings, 0, WORKERS);
    const history = new OrderHistory(views.orderHistory, QUEUE_SLOTS);
    const burst = new Burst(views.pool.bytes);
    this.producer = new RingProducer(views.rings.slice(0, WORKERS), 0, backlog);
    this.ownBatch = new Batch(this.producer.ownBatch());
    const parts = {
      plan,
      views,
      worker: 0,
      burst,
      status: new Int32Array(16),
      steering: {
        spec: { stage: 'cpu' },
        steer: (b: Burst) => b.worker.set(this.next.map(({ worker }) => worker)),
      },
      ledger: new Ledger(views.ledger, progress, history),
      progress,
      census: new CensusWriter(views.census),
      trace: { armed: () => false },
      waker: { wake: () => false },
      fault: { reach() {} },
    };
    this.rxStage = new RxStage(parts as unknown as RxStageParts, this.ownBatch, this.producer);
    this.burst = burst;
    this.meters = views.counters.order.map(
      (counters, w) =>
        new OrderMeter(views.ledger.finished, history, counters, new GuestTable(views.counters.touch[w]!)),
    );
    this.hands = Array.from({ length: WORKERS }, () => ({ batch: new Batch(), sent: false }));
    this.consumers = Array.from({ length: WORKERS }, (_, w) => (w === 0 ? null : this.consumer(w)));
  }
  private readonly burst: Burst;

  private consumer(w: number): RingConsumer {
    return new RingConsumer(this.views.rings[w]!);
  }

  /** A burst arrives at worker 0 and is dispatched. */
  receive(frames: { frame: number; worker: number }[]): void {
    if (this.ownBatch.n + 64 > BATCH_MAX) this.process();
    this.next = frames;
    const { burst } = this;
    const { pool } = this.views;
    const receiver = {
      receive: () => {
        pool.reclaim(0);
        frames.forEach(({ frame }, i) => {
          const bytes = FRAMES[frame]!;
          const id = pool.take(0, bytes.length);
          const off = pool.offsetOf(id);
          pool.bytes.set(bytes, off);
          burst.id[i] = id;
          burst.off[i] = off;
          burst.len[i] = bytes.length;
          burst.flags[i] = 0;
          // The number of the one receive queue's next frame.
          this.frameOf.set((this.start + this.received + i) | 0, { frame, seq: this.received + i });
        });
        return frames.length;
      },
    };
    this.rxStage.receive({ port: 0, queue: 0, global: 0, finite: false, receiver } as never);
    this.received += frames.length;
  }

  private send(batch: Batch): void {
    for (let i = 0; i < batch.n; i++) {
      const { seq } = batch.frame(i);
      this.out.push(this.frameOf.get(seq)!);
    }
  }

  private report(w: number, batch: Batch): void {
    const sent = new Int32Array(BATCH_MAX).fill(1);
    for (let i = 0; i < batch.n; i++) {
      const { seq, ledger } = batch.frame(i);
      if (ledger >= 0) this.reported.push(this.frameOf.get(seq)!);
    }
    this.late += this.meters[w]!.commit(batch, sent, 1);
  }
  late = 0;

  /** Worker 0 sends and reports its own work. */
  process(): void {
    this.send(this.ownBatch);
    this.report(0, this.ownBatch);
    this.producer.completeOwn();
    this.views.pool.reclaim(0);
    this.producer.rewind();
    this.ownBatch.n = 0;
  }

  /** Another worker takes a step: takes frames, or sends what it has, or reports what it sent. */
  step(w: number, most: number): void {
    const hand = this.hands[w]!;
    if (hand.batch.n === 0) this.consumers[w]!.take(hand.batch, most);
    else if (!hand.sent) {
      this.send(hand.batch);
      hand.sent = true;
    } else {
      const count = hand.batch.n;
      this.report(w, hand.batch);
      this.consumers[w]!.complete(count);
      hand.batch.n = 0;
      hand.sent = false;
    }
  }

  die(w: number): void {
    const { pool, rings } = this.views;
    const hand = this.hands[w]!;
    const held = repairRing(rings[w]!) + pool.sweep(w);
    // What it had sent is out, though nobody will ever hear of it.
    this.died += held - (hand.sent ? hand.batch.n : 0);
    hand.batch.n = 0;
    hand.sent = false;
    this.consumers[w] = this.consumer(w);
  }

  releaseDue(): void {
    this.rxStage.releaseDue(() => this.process());
  }

  /** Lets everything come to rest. */
  finish(): void {
    for (let round = 0; round < 10_000; round++) {
      this.now += 1;
      this.releaseDue();
      this.process();
      for (let w = 1; w < WORKERS; w++) for (let k = 0; k < 3; k++) this.step(w, 64);
      if (this.rxStage.holding() === 0 && this.views.pool.inFlight() === 0) return;
    }
    expect.unreachable('does not come to rest');
  }

  moves(): Record<keyof typeof MoveCounter, number> {
    const c = this.views.counters.worker[0]!;
    return Object.fromEntries(
      Object.entries(MoveCounter).map(([name, at]) => [name, c[WorkerCounter.moves + at]]),
    ) as Record<keyof typeof MoveCounter, number>;
  }

  dropped(): Record<string, number> {
    const c = this.views.counters.worker[0]!;
    return Object.fromEntries(DROP_REASONS.map((name, i) => [name, c[WorkerCounter.dropped + i]!]));
  }

  unwatched(): number {
    return this.views.counters.worker[0]![WorkerCounter.unwatched]!;
  }

  census() {
    const { census, ledger } = this.views;
    return new CensusReader(census, ledger.slots, 0).read([{ firstQueue: 0, rxQueues: 1 }], 1).flows;
  }

  expectConserved(): void {
    const lost = Object.values(this.dropped()).reduce((a, b) => a + b, 0);
    expect(this.out.length + lost + this.died).toBe(this.received);
    expect(this.views.pool.inFlight()).toBe(0);
    expect(this.views.pool.countFree()).toBe(this.views.pool.slots);
  }
}

/** Frames that come after a later one of their flow. */
function lateOnes(frames: readonly Sent[]): number {
  const highest = new Map<number, number>();
  let late = 0;
  for (const { frame, seq } of frames) {
    const seen = highest.get(frame) ?? -1;
    if (seq < seen) late++;
    else highest.set(frame, seq);
  }
  return late;
}

const frame = fc.record({ frame: fc.nat(FRAMES.length - 1), worker: fc.nat(WORKERS - 1) });
const event = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(frame, { minLength: 1, maxLength: 8 })
      .map((frames) => ({ kind: 'receive' as const, frames })),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      worker: fc.integer({ min: 1, max: 3 }),
      most: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'process' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'review' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('die' as const), worker: fc.integer({ min: 1, max: 3 }) }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function play(schedule: Schedule, events: readonly Event[], deaths = true): void {
  for (const e of events) {
    if (e.kind === 'receive') schedule.receive(e.frames);
    else if (e.kind === 'step') schedule.step(e.worker, e.most);
    else if (e.kind === 'process') schedule.process();
    else if (e.kind === 'review') schedule.releaseDue();
    else if (e.kind === 'wait') schedule.now += e.ms;
    else if (deaths) schedule.die(e.worker);
  }
  schedule.finish();
}

/** Few flows meet often; many compete for the ledger's ways. */
const events = fc
  .tuple(fc.integer({ min: 1, max: FRAMES.length }), fc.array(event, { minLength: 20, maxLength: 120 }))
  .map(([flows, list]) =>
    list.map(
      (e): Event =>
        e.kind === 'receive'
          ? { ...e, frames: e.frames.map(({ frame, worker }) => ({ frame: frame % flows, worker })) }
          : e,
    ),
  );
const limits = fc.record({
  postponeMaxMs: fc.nat(3),
  holdMaxFrames: fc.constantFrom(0, 1, 4, 32),
  holdMaxMs: fc.integer({ min: 1, max: 12 }),
});
const backlog = fc.constantFrom(2, 8, 64);
const origin = fc.record({ start: fc.constantFrom(...STARTS), clock: fc.constantFrom(...CLOCKS) });

// Generous: a busy machine must not decide.
describe('every interleaving', { timeout: 120_000 }, () => {
  afterEach(() => void vi.restoreAllMocks());

  it('strict: no flow is ever reordered, nothing is lost uncounted, and nobody cries wolf', () => {
    const total = { moves: 0, postponed: 0, held: 0, cancelled: 0, hold: 0, unwatched: 0 };
    fc.assert(
      fc.property(events, limits, backlog, origin, (list, bounds, most, { start, clock }) => {
        const schedule = new Schedule('strict', bounds, most, start, clock);
        play(schedule, list);
        expect(lateOnes(schedule.out)).toBe(0);
        expect(schedule.late).toBe(0);
        schedule.expectConserved();
        const { moves, postponed, held, cancelled } = schedule.moves();
        total.moves += moves;
        total.postponed += postponed;
        total.held += held;
        total.cancelled += cancelled;
        total.hold += schedule.dropped().hold!;
        total.unwatched += schedule.unwatched();
      }),
      { numRuns: WHOLE ? 1000 : 50, seed: 11 },
    );
    // All of it was exercised.
    for (const [what, count] of Object.entries(total)) expect(count, what).toBeGreaterThan(0);
  });

  it('a flow whose frames are held while it had no slot of its own does not pass them when it gets one', () => {
    const schedule = new Schedule('strict', { postponeMaxMs: 0, holdMaxFrames: 9, holdMaxMs: 99 }, 64);
    // Four flows take all ways of the fifth, which goes to worker 1 and then is wanted on worker 3.
    schedule.receive([0, 1, 2, 3].map((frame) => ({ frame, worker: 2 })));
    schedule.receive([{ frame: 4, worker: 1 }]);
    expect(schedule.unwatched()).toBe(1);
    for (let k = 0; k < 3; k++) schedule.receive([{ frame: 4, worker: 3 }]);
    expect(schedule.moves()).toMatchObject({ postponed: 1, held: 1, framesHeld: 2 });
    // Worker 2 has finished with the four, worker 1 with the fifth too; nobody has looked at the hold yet.
    for (let k = 0; k < 3; k++) schedule.step(2, 64);
    schedule.receive([{ frame: 4, worker: 2 }]);
    for (let k = 0; k < 3; k++) schedule.step(1, 64);
    schedule.receive([{ frame: 4, worker: 2 }]);
    expect(schedule.moves().framesHeld).toBe(4);
    schedule.finish();
    expect(schedule.out.filter(({ frame }) => frame === 4).map(({ seq }) => seq)).toEqual([4, 5, 6, 7, 8, 9]);
    schedule.expectConserved();
  });

  it('flows without a slot of their own are in the census too, one for all that share one', () => {
    const schedule = new Schedule('strict', { postponeMaxMs: 0, holdMaxFrames: 9, holdMaxMs: 99 }, 64);
    for (let k = 0; k < 3; k++) schedule.receive([0, 1, 2, 3, 4].map((frame) => ({ frame, worker: 2 })));
    expect(schedule.unwatched()).toBe(3);
    const flows = schedule.census();
    expect(flows.map(({ packets, worker }) => [packets, worker])).toEqual(new Array(5).fill([3, 2]));
    const frames = flows.map(({ frame }) => Buffer.from(frame).toString('hex')).sort();
    expect(frames).toEqual([0, 1, 2, 3, 4].map((f) => Buffer.from(FRAMES[f]!).toString('hex')).sort());
    schedule.finish();
  });

  it.each(CLOCKS)('a move waits as long as it may, also when milliseconds turn over (%i)', (clock) => {
    const schedule = new Schedule(
      'strict',
      { postponeMaxMs: 30, holdMaxFrames: 9, holdMaxMs: 40 },
      64,
      0,
      clock,
    );
    schedule.receive([{ frame: 0, worker: 1 }]);
    for (let ms = 0; ms < 30; ms += 10) {
      schedule.receive([{ frame: 0, worker: 2 }]);
      schedule.now += 10;
    }
    expect(schedule.moves()).toMatchObject({ held: 0, framesPostponed: 3 });
    schedule.receive([{ frame: 0, worker: 2 }]);
    schedule.now += 39;
    schedule.releaseDue();
    expect(schedule.moves()).toMatchObject({ framesHeld: 1, cancelled: 0 });
    schedule.now += 1;
    schedule.releaseDue();
    expect(schedule.moves()).toMatchObject({ framesHeld: 1, cancelled: 1 });
    schedule.finish();
    schedule.expectConserved();
  });

  it('the slot of a held flow is nobody else’s, drained or not', () => {
    const schedule = new Schedule('strict', { postponeMaxMs: 0, holdMaxFrames: 9, holdMaxMs: 99 }, 64);
    schedule.receive([{ frame: 0, worker: 1 }]);
    for (let k = 0; k < 2; k++) schedule.receive([{ frame: 0, worker: 2 }]);
    expect(schedule.moves().framesHeld).toBe(1);
    for (let k = 0; k < 3; k++) schedule.step(1, 64);
    // Three ways are left for four flows.
    schedule.receive([1, 2, 3, 4].map((frame) => ({ frame, worker: 3 })));
    expect(schedule.unwatched()).toBe(1);
    schedule.finish();
    expect(lateOnes(schedule.out)).toBe(0);
    schedule.expectConserved();
  });

  it('none: the same schedules do reorder, and the ledger counts exactly what was reported late', () => {
    let late = 0;
    fc.assert(
      fc.property(events, backlog, origin, (list, most, { start, clock }) => {
        const limits = { postponeMaxMs: 0, holdMaxFrames: 0, holdMaxMs: 1 };
        const schedule = new Schedule('none', limits, most, start, clock);
        play(schedule, list, false);
        expect(schedule.late).toBe(lateOnes(schedule.reported));
        schedule.expectConserved();
        late += schedule.late;
      }),
      { numRuns: WHOLE ? 400 : 30, seed: 12 },
    );
    expect(late).toBeGreaterThan(100);
  });
});
