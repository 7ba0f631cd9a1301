/**
 * The warm-up of a worker: a loop like the one to come runs on made-up frames before the worker reports, so that V8 has
 * compiled what the first real burst needs, and knows what it will meet.
 *
 * Promise: nobody notices but by the time: no frame, flow, address, counter, sample or decision of it is anywhere
 * outside (`warm-up-memory.ts`), no device is touched, and a worker that dies in the middle leaves nothing that its burial
 * does not clean up. It ends after so many bursts, or `LIMIT_MS` of CPU time.
 *
 * What V8 compiles is good for the run only if nothing that it relied on changes in between. So the loop's objects are
 * made where those of the run are made (`parts.ts`), and before them: V8 has then seen every field of theirs take the
 * values that it takes. Loops whose arrays are constants to V8 work on the very same arrays. And there is more than one
 * loop: with one alone V8 would take its closures, and with one literal its objects, for the only ones that there are.
 */
import type { Native } from '../../addon/native.js';
import type { Burst } from '../../packet/burst.js';
import type { Steering } from '../../policy/steering.js';
import { ClockTime, type ThreadClock } from '../memory/clock.js';
import type { FramePool } from '../memory/pool.js';
import { OrderHistory } from '../order/history.js';
import { receiveQueue } from '../ports/attach.js';
import type { Attachers } from '../ports/attacher.js';
import type { LiveConfig } from '../shared/config.js';
import { type EngineViews, practiceQueue } from '../shared/engine-memory.js';
import { CensusWriter } from '../shared/flow-census.js';
import { makeForwarder } from '../shared/forwarding.js';
import type { EnginePlan } from '../shared/plan.js';
import { makeWaker } from '../shared/waker.js';
import { Global, Phase } from '../shared/words.js';
import { ConfigFollower } from './follower.js';
import { WorkerLoop } from './loop.js';
import { makeParts } from './parts.js';
import { PracticeFrames } from './warm-up-frames.js';
import { CENSUS_RECORDS, PracticeMemory } from './warm-up-memory.js';
import { WorkerPorts } from './worker-ports.js';

/** What a warm-up takes of its worker. */
export interface WarmUpParts {
  readonly config: LiveConfig;
  readonly worker: number;
  readonly views: EngineViews;
  readonly native: Native | null;
  readonly clock: ThreadClock;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly attachers: Attachers;
  /** A steering for a warm-up under this configuration. */
  readonly compile: (config: LiveConfig) => Steering;
}

/** Bursts between two looks at the clock; behind them the loop is told what it is told in a live change. */
const TURN_BURSTS = 32;
/** Bursts of the first loop. */
const FIRST_BURSTS = 64;
/**
 * Bursts of the second. V8 of Node 20 has compiled all loops over frames after some 200; since V8 12 it waits for 500
 * calls of a function behind the last one that met something new (`minimum_invocations_after_ic_update`).
 */
const SECOND_BURSTS = Number.parseInt(process.versions.v8, 10) < 12 ? 256 : 768;
/** CPU time that it may take, in milliseconds: several times what it takes where the CPU is shared with something else. */
const LIMIT_MS = 200;
/** While it waits for others, it looks so often whether the engine still runs, in milliseconds. */
const LOOK_MS = 20;
/** Ports that take part. */
const PORTS = 2;
/** Where flows are in the ledger, turn by turn: new, then in their second, third and fourth place. */
const WAYS = [0, 1, 3, 1];
/** All slots of the ledger are one queue's to the history of a warm-up. */
const HISTORY_SLOTS = 1 << 27;

/** The ports of whose kinds something stands for them. */
function practisedPorts({ ports }: EnginePlan, attachers: Attachers) {
  return ports.flatMap((info) => {
    const stand = attachers.get(info.kind)?.practice;
    return stand === undefined || info.removed ? [] : [{ info, stand }];
  });
}

/** One loop of a warm-up. */
class Practice {
  private readonly loop: WorkerLoop;
  private readonly follower: ConfigFollower;
  private readonly span: number;
  private readonly queue: number;
  /** Bursts of the turn that are left. */
  private left = 0;

  constructor(
    p: WarmUpParts,
    plan: EnginePlan,
    private readonly practice: PracticeMemory,
    steering: Steering,
  ) {
    const { worker, native, clock, burst, status, attachers } = p;
    const { memory } = practice;
    const views = practice.views();
    const { pool } = views;
    const config: LiveConfig = { ...p.config, plan, memory, table: null };
    Atomics.store(views.global, Global.configEpoch, config.epoch);
    this.span = config.span;
    this.queue = practiceQueue(plan, worker);
    const waker = makeWaker(native, views.workers, memory.events);
    const held = new WorkerPorts(
      { plan, views, pool, native, clock, worker, burst, status, attachers },
      waker,
    );
    const parts = makeParts({
      plan,
      memory,
      views,
      worker,
      native,
      clock,
      burst,
      status,
      held,
      waker,
      steering,
      forwarder: makeForwarder(plan, memory, worker),
      history: new OrderHistory(views.orderHistory, HISTORY_SLOTS),
      census: new CensusWriter(views.census, CENSUS_RECORDS - 1),
      post: () => {},
      event: -1,
      epoch: 0,
    });
    this.loop = new WorkerLoop(parts);
    this.follower = new ConfigFollower(
      {
        views,
        worker,
        held: { release: () => {}, acquire: () => true, canAcquire: () => true },
        port: null,
        compile: () => steering,
        install: (next) => {
          parts.plan = next.plan;
          parts.steering = steering;
          this.loop.adopt(next.span);
        },
        drained: () => this.loop.drained(),
      },
      config,
      steering,
    );
    this.openPorts(p, plan, practice, held, pool);
  }

  private openPorts(
    { worker, native, burst, status, attachers }: WarmUpParts,
    plan: EnginePlan,
    practice: PracticeMemory,
    held: WorkerPorts,
    pool: FramePool,
  ): void {
    const practised = practisedPorts(plan, attachers);
    const targets = practised.filter(({ info }) => info.txQueues > 0).slice(0, PORTS);
    targets.forEach(({ info, stand }, k) => {
      held.senders[info.index] = stand.sender(info, k);
      held.floods[info.index] = 1;
      // A queue that is shared is locked.
      const isShared = info.choosesQueue === true || info.txQueues < plan.active;
      held.lockOf[info.index] = isShared ? info.index : -1;
    });
    const arrays = { id: burst.id, off: burst.off, len: burst.len, flags: burst.flags, status };
    const origins = practised.filter(({ info }) => info.rxQueues > 0).slice(0, PORTS);
    held.receivers = origins.flatMap(({ info, stand }) => {
      const other = targets.find((target) => target.info !== info)?.info ?? info;
      const frames = new PracticeFrames(burst, status, pool, worker, info.index, other.index, practice.kept);
      const counted = { receive: (max: number) => (this.mayReceive() ? frames.receive(max) : 0) };
      const receivers = stand.receivers({ native, pool, worker, arrays }, info, counted);
      return receivers.map((receiver) => receiveQueue(info.index, 0, this.queue, false, receiver));
    });
    held.polled.adopt(held.receivers);
  }

  /** Counts the bursts of a turn; at its end the loop returns. */
  private mayReceive(): boolean {
    this.left--;
    if (this.left <= 0) this.follower.turn = true;
    return this.left >= 0;
  }

  /** Runs so many bursts, as long as `mayGoOn`. */
  run(bursts: number, mayGoOn: () => boolean): void {
    for (let turn = 0; turn * TURN_BURSTS < bursts && mayGoOn(); turn++) {
      this.practice.moveFlows(WAYS[turn % WAYS.length]!);
      this.left = TURN_BURSTS;
      this.loop.run(this.follower);
      // As after a live change, and as if the queue had been another worker's meanwhile.
      this.loop.adopt(this.span);
      this.loop.leave(this.queue);
    }
  }
}

/**
 * The loops of this thread's last warm-up. V8 throws code away when an object that it refers to is collected, hidden
 * classes included: those that only these loops have would be, at some moment of the run.
 */
const KEPT: { practices: readonly object[] } = { practices: [] };

/**
 * Warms up, once a thread: a worker that is started again in the thread of its predecessor finds its code there. To be
 * called before the worker makes its own loop.
 */
export function warmUp(p: WarmUpParts): void {
  // Frames that a worker only gets from others have been received too, so without a receive queue there are none.
  const origins = practisedPorts(p.config.plan, p.attachers).filter(({ info }) => info.rxQueues > 0);
  if (KEPT.practices.length > 0 || origins.length === 0) return;
  KEPT.practices = practise(p);
}

/** The warm-up itself, within `limitMs` of CPU time; returns its loops, to which compiled code may refer. */
export function practise(p: WarmUpParts, limitMs = LIMIT_MS): readonly object[] {
  const { config, worker, views, clock } = p;
  // Rules of ports would refuse its frames, and faults are for the run.
  const ports = config.plan.ports.map(({ sources: _, ...port }) => port);
  const plan: EnginePlan = { ...config.plan, ports, fault: null };
  const practice = new PracticeMemory(plan, config.memory, views, worker);
  const steering = p.compile({ ...config, plan, memory: practice.memory });
  const start = cpuMs(clock);
  const mayGoOn = () => cpuMs(clock) - start < limitMs;
  practice.open();
  try {
    // Made and thrown away: see above.
    new Practice(p, plan, practice, steering);
    const first = new Practice(p, plan, practice, steering);
    first.run(FIRST_BURSTS, mayGoOn);
    const second = new Practice(p, plan, practice, steering);
    second.run(SECOND_BURSTS, mayGoOn);
    return [first, second];
  } finally {
    practice.close();
  }
}

/**
 * A worker of the start has warmed up: waits until all of them have, or the engine ends. One that received sooner would
 * fill the rings of those that are not there yet; frames wait in the kernel instead.
 *
 * @param global `EngineViews.global`
 */
export function awaitWarm(global: Int32Array): void {
  Atomics.sub(global, Global.warming, 1);
  Atomics.notify(global, Global.warming);
  for (;;) {
    const left = Atomics.load(global, Global.warming);
    // Below zero for a worker that comes later.
    if (left <= 0 || Atomics.load(global, Global.phase) !== Phase.run) return;
    Atomics.wait(global, Global.warming, left, LOOK_MS);
  }
}

/** CPU time of this thread; without the addon the time. */
function cpuMs(clock: ThreadClock): number {
  clock.lookAll();
  return clock.cpu ? clock.times[ClockTime.cpuNs]! / 1e6 : clock.times[ClockTime.ms]!;
}
