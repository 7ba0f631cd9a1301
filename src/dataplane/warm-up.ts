/**
 * The warm-up of a worker: its loops run on made-up frames before the worker reports, so that the first real burst finds
 * compiled code.
 *
 * Promise: nobody else notices. 
 */
import { createMacTable } from '../forward/mac-layout.js';
import { MacTable } from '../forward/mac-table.js';
import { Switch } from '../forward/switch.js';
import { Wire } from '../forward/wire.js';
import type { Forwarder } from '../forward/work.js';
import type { Burst } from '../packet/burst.js';
import { policyBytes } from '../policy/compile.js';
import type { Steering } from '../policy/steering.js';
import type { ThreadClock } from './clock.js';
import { type Counters, carveCounters } from './counters.js';
import {
  type EngineMemory,
  type EnginePlan,
  type EngineViews,
  Global,
  Phase,
  practiceQueue,
  scratchOffset,
} from './engine-memory.js';
import { carveFloods } from './flood-budget.js';
import { CensusWriter, carveCensus } from './flow-census.js';
import { allocateShared, Carver, LINE_WORDS, PRACTICE_SLOTS, SMALL_SLOT_BYTES } from './layout.js';
import { QUEUE_SLOTS, SLOT_WORDS } from './ledger.js';
import type { LiveConfig } from './live-config.js';
import { LiveFollower } from './live-worker.js';
import { WorkerLoop } from './loop.js';
import type { Native } from './native.js';
import { carveHistory, OrderHistory } from './order-history.js';
import { FramePool } from './pool.js';
import { receiveQueue } from './ports/attach.js';
import { HeldPorts } from './ports/held.js';
import type { RingMemory } from './ring.js';
import { practiceLane } from './ring.js';
import { makeWaker } from './sleeper.js';
import { FrameMaker, practiceReceivers, practiceSender } from './warm-up-ports.js';
import { makeParts } from './worker-parts.js';

/** What a warm-up takes of the worker. */
export interface WarmUpParts {
  readonly config: LiveConfig;
  readonly worker: number;
  readonly views: EngineViews;
  readonly native: Native | null;
  readonly clock: ThreadClock;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly compile: (config: LiveConfig, worker: number) => Steering;
}

const ROUNDS = Number(process.env['WARM_ROUNDS'] ?? 2);
const PAUSE = Number(process.env['WARM_PAUSE'] ?? 0);
const CHUNK = Number(process.env['WARM_CHUNK'] ?? 96);
const BURSTS = Number(process.env['WARM_BURSTS'] ?? 2000);

/** Shared memory as of the engine, private to a warm-up. */
function privateWords(plan: EnginePlan, worker: number) {
  const { workers } = plan;
  const { ports, queues, txQueues } = plan.room;
  const carve = (carver: Carver) => {
    const one = carveCounters(carver, { workers: 1, ports, queues: queues + workers });
    const all = <T>(rows: readonly T[]): T[] => new Array<T>(workers).fill(rows[0]!);
    const counters: Counters = {
      worker: all(one.worker),
      port: all(one.port),
      queue: one.queue,
      order: all(one.order),
      touch: all(one.touch),
      handoff: carver.doubles(workers * workers * 16),
      died: carver.doubles(workers),
    };
    return {
      counters,
      orderHistory: carveHistory(carver, 1),
      flowHashes: carver.words(scratchOffset(plan, worker + 1) / SMALL_SLOT_BYTES),
      consumers: carver.words(ports),
      global: carver.words(4 * LINE_WORDS),
      workers: new Array<Int32Array>(workers).fill(carver.words(2 * LINE_WORDS)),
      locks: carver.words(txQueues * LINE_WORDS),
      sequences: carver.words((queues + workers) * LINE_WORDS),
      pollers: carver.words(queues + workers),
      queueErrors: carver.words(queues + workers),
      floods: carveFloods(carver, ports),
      pauses: new Array<Float64Array>(workers).fill(carver.doubles(LINE_WORDS / 2)),
      census: carveCensus(carver, 1),
    };
  };
  return carve(new Carver(allocateShared(carve)));
}

export function warmUp(p: WarmUpParts): void {
  const { views, worker, config } = p;
  const ports = config.plan.ports.map(({ sources, ...port }) => port);
  const plan: EnginePlan = { ...config.plan, ports, fault: null };
  const list = views.pool.nativeView(worker).freeSmall;
  const free = list[0]!;
  const first = scratchOffset(plan, worker) / SMALL_SLOT_BYTES;
  for (let k = 0; k < PRACTICE_SLOTS; k++) list[free + 1 + k] = first + k;
  list[0] = free + PRACTICE_SLOTS;
  const words = privateWords(plan, worker);
  const lines: Int32Array = views.ledger.slots;
  const queue = practiceQueue(plan, worker);
  for (let round = 0; round < ROUNDS; round++) {
    const from = queue * QUEUE_SLOTS * SLOT_WORDS;
    for (let s = from; s < from + QUEUE_SLOTS * SLOT_WORDS; s += SLOT_WORDS) {
      if (lines[s] !== 0 || lines[s + 3] !== 0) lines.fill(0, s, s + SLOT_WORDS);
    }
    if (round === 0) run(p, plan, words, free, false);
    run(p, plan, words, free);
  }
  if (list[0] === free + PRACTICE_SLOTS) list[0] = free;
  else views.pool.rebuild(worker);
}

function run(p: WarmUpParts, plan: EnginePlan, words: ReturnType<typeof privateWords>, kept: number, really = true): void {
  const { views, worker, burst, status, native, clock } = p;
  const { workers } = plan;
  const rings: RingMemory[] = views.rings.slice();
  const lane = practiceLane(views.rings.slice(worker * workers, (worker + 1) * workers));
  for (let w = 0; w < workers; w++) {
    rings[worker * workers + w] = lane[w]!;
    rings[w * workers + worker] = lane[w]!;
  }
  const { memory } = p.config;
  const frames = memory.frames;
  const size = views.pool.size;
  const smallSlots = scratchOffset(plan, plan.workers) / SMALL_SLOT_BYTES;
  const pool = new FramePool(frames, views.pool.shared, size, rings, smallSlots);
  const practised: EngineViews = { ...views, ...words, pool, rings };
  words.global.fill(0);
  words.workers[0]!.fill(0);
  const switching =
    plan.mode === 'wire'
      ? memory.switching
      : createMacTable({ capacity: 256, ports: plan.room.ports, users: plan.workers + 1 });
  const policy = new SharedArrayBuffer(policyBytes(plan.policy));
  const own: EngineMemory = { ...memory, policy, switching };
  const config: LiveConfig = { ...p.config, epoch: 1, plan, memory: own };
  Atomics.store(words.global, Global.configEpoch, 1);
  const waker = makeWaker(native, words.workers, memory.events);
  const held = new HeldPorts(
    { plan, views: practised, pool, native, clock, worker, burst, status },
    waker,
  );
  const steering = p.compile(config, worker);
  const forwarder: Forwarder =
    plan.mode === 'wire' ? new Wire() : new Switch(new MacTable(switching, worker));
  const parts = makeParts({
    plan,
    memory: own,
    views: practised,
    worker,
    native,
    clock,
    burst,
    status,
    held,
    waker,
    steering,
    forwarder,
    history: new OrderHistory(words.orderHistory, 1 << 27),
    census: new CensusWriter(words.census, practiceQueue(plan, worker) * QUEUE_SLOTS),
    post: () => {},
    event: -1,
    epoch: 0,
  });
  const loop = new WorkerLoop(parts);
  const receiving = plan.ports.filter(({ rxQueues }) => rxQueues > 0).slice(0, 2);
  const global = practiceQueue(plan, worker);
  plan.ports.forEach((info, k) => {
    held.senders[info.index] = practiceSender(info, k);
    held.floods[info.index] = held.senders[info.index] === null ? 0 : 1;
  });
  let left = 0;
  held.receivers = receiving.flatMap((info) => {
    const to = plan.ports.find(({ index, txQueues }) => index !== info.index && txQueues > 0);
    const maker = new FrameMaker(burst, status, pool, worker, info.index, to?.index ?? info.index, kept);
    const give = maker.receive.bind(maker);
    maker.receive = (max: number) => {
      if (--left === 0) follower.turn = true;
      return left < 0 ? 0 : give(max);
    };
    return practiceReceivers(maker).map((receiver) => receiveQueue(info.index, 0, global, false, receiver));
  });
  held.polled.adopt(held.receivers);
  const follower = new LiveFollower(
    {
      views: practised,
      worker,
      held: { release() {}, acquire: () => true, canAcquire: () => true } as unknown as HeldPorts,
      port: null as never,
      compile: () => steering,
      install: (next) => {
        parts.plan = next.plan;
        parts.steering = steering;
        loop.adopt(next.span);
      },
      drained: () => loop.drained(),
    },
    config,
    steering,
  );
  if (!really) return;
  const times: string[] = [];
  for (let b = 0; b < BURSTS; b += CHUNK) {
    left = CHUNK;
    const t = performance.now();
    loop.run(follower);
    loop.adopt(config.span);
    times.push((performance.now() - t).toFixed(2));
    if (PAUSE > 0) Atomics.wait(words.global, 0, 0, PAUSE);
  }
  if (process.env['WARM_TIMES']) process.stderr.write(`${worker}: ${times.join(' ')}\n`);
  Atomics.store(words.global, Global.phase, Phase.exit);
  loop.run(follower);
  held.close();
}
