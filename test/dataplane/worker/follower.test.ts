/** The worker's side of a change, step by step, and the trace's and the census' bookkeeping, without threads. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { FLOW_SLOTS, QUEUE_SLOTS, SLOT_WORDS, Slot } from '#rxsteer/dataplane/order/flow-slot.js';
import type { LiveConfig } from '#rxsteer/dataplane/shared/config.js';
import type { EngineViews } from '#rxsteer/dataplane/shared/engine-memory.js';
import { CensusReader, CensusWriter, carveCensus } from '#rxsteer/dataplane/shared/flow-census.js';
import { TraceCollector, type TraceMessage, TraceTap } from '#rxsteer/dataplane/shared/trace.js';
import { Global, Pause, WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import { ConfigFollower } from '#rxsteer/dataplane/worker/follower.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { Steering } from '#rxsteer/policy/steering.js';

describe('a worker that follows configurations', () => {
  const ports: MessagePort[] = [];
  afterEach(() => {
    for (const port of ports.splice(0)) port.close();
  });

  function follower() {
    const { port1, port2 } = new MessageChannel();
    ports.push(port1, port2);
    const views = {
      global: new Int32Array(new SharedArrayBuffer(1024)),
      workers: [new Int32Array(new SharedArrayBuffer(1024))],
      pauses: [new Float64Array(4)],
    } as unknown as EngineViews;
    const state = { drained: true, acquired: true, log: [] as string[] };
    const config = (epoch: number, steering: number, prepare = false) =>
      ({ epoch, steering, prepare, plan: {} }) as unknown as LiveConfig;
    const held = {
      release: () => state.log.push('release'),
      acquire: () => state.acquired,
      canAcquire: () => state.acquired,
    };
    const parts = {
      views,
      worker: 0,
      held: held as never,
      port: port2,
      compile: (next: LiveConfig) => {
        state.log.push(`compile ${next.steering}`);
        return { number: next.steering } as unknown as Steering;
      },
      install: (next: LiveConfig, steering: Steering | null) =>
        state.log.push(
          `install ${next.epoch} with ${(steering as { number?: number } | null)?.number ?? 'its own'}`,
        ),
      drained: () => state.drained,
    };
    const made = new ConfigFollower(parts, config(1, 1), { number: 1 } as unknown as Steering);
    Atomics.store(views.global, Global.configEpoch, 1);
    const post = (...configs: LiveConfig[]) => {
      for (const next of configs) port1.postMessage(next);
      Atomics.store(views.global, Global.configEpoch, configs.at(-1)!.epoch);
    };
    const seen = () => Atomics.load(views.workers[0]!, WorkerWord.configSeen);
    const take = () => state.log.splice(0);
    return { made, post, config, state, seen, take, views };
  }

  it('starts paused until what its predecessor handed out is finished', () => {
    const { made, state, seen, take } = follower();
    state.drained = false;
    made.step();
    expect([made.paused, seen(), take()]).toEqual([true, 0, []]);
    state.drained = true;
    made.step();
    expect([made.paused, seen(), take()]).toEqual([false, 1, ['release', 'install 1 with 1']]);
    expect(made.due()).toBe(false);
  });

  it('switches steering when all is finished, not before, and counts the pause', () => {
    const { made, state, post, config, seen, take, views } = follower();
    made.step();
    take();
    post(config(2, 2, true));
    expect(made.due()).toBe(true);
    made.step();
    // Prepared: goes on as before.
    expect([made.paused, seen(), take()]).toEqual([false, 2, ['compile 2']]);
    state.drained = false;
    post(config(3, 2));
    made.step();
    made.step();
    expect([made.paused, made.ready(), seen(), take()]).toEqual([true, false, 2, []]);
    state.drained = true;
    expect(made.ready()).toBe(true);
    made.step();
    expect([made.paused, seen(), take()]).toEqual([false, 3, ['release', 'install 3 with 2']]);
    expect(views.pauses[0]![Pause.count]).toBe(1);
    expect(views.pauses[0]![Pause.ns]).toBeGreaterThan(0);
  });

  it('does not pause where steering stays', () => {
    const { made, state, post, config, seen, take } = follower();
    made.step();
    take();
    state.drained = false;
    post(config(2, 1));
    made.step();
    expect([made.paused, seen(), take()]).toEqual([false, 2, ['release', 'install 2 with its own']]);
  });

  it('acts by a change that it finds together with the preparation of the next one', () => {
    const { made, state, post, config, seen, take } = follower();
    made.step();
    take();
    state.drained = false;
    post(config(2, 2), config(3, 3, true));
    made.step();
    expect([made.paused, seen(), take()]).toEqual([true, 1, ['compile 2', 'compile 3']]);
    state.drained = true;
    made.step();
    expect([made.paused, seen(), take()]).toEqual([false, 3, ['release', 'install 2 with 2']]);
    post(config(4, 3));
    made.step();
    made.step();
    expect([made.paused, seen(), take()]).toEqual([false, 4, ['release', 'install 4 with 3']]);
  });

  it('needs no preparation of what it has to act by at once', () => {
    const { made, post, config, seen, take } = follower();
    made.step();
    take();
    post(config(2, 2, true), config(3, 2), config(4, 3, true), config(5, 4));
    made.step();
    made.step();
    expect([seen(), take()]).toEqual([5, ['compile 4', 'release', 'install 5 with 4']]);
  });

  it('acknowledges when it has its queues, and acts by the newest of several', () => {
    const { made, state, post, config, seen, take } = follower();
    made.step();
    take();
    state.acquired = false;
    post(config(2, 1), config(3, 4), config(4, 5));
    made.step();
    expect(take()).toEqual(['compile 5', 'release', 'install 4 with 5']);
    expect([seen(), made.ready(), made.paused]).toEqual([1, false, false]);
    state.acquired = true;
    expect(made.ready()).toBe(true);
    made.step();
    expect(seen()).toBe(4);
  });

  it('acts by a configuration also where the next one is to be prepared already', () => {
    const { made, post, config, seen, take } = follower();
    made.step();
    take();
    post(config(2, 1), config(3, 7, true));
    made.step();
    expect(take()).toEqual(['compile 7', 'release', 'install 2 with its own']);
    expect(seen()).toBe(3);
  });

  it('asks for one turn of the event loop behind each change', () => {
    const { made, state, post, config } = follower();
    const turn = () => {
      const asked = made.turn;
      made.turn = false;
      return asked;
    };
    expect(turn()).toBe(false);
    made.step();
    expect([turn(), turn()]).toEqual([true, false]);
    state.drained = false;
    post(config(2, 2));
    made.step();
    expect(turn()).toBe(false);
    state.drained = true;
    made.step();
    expect(turn()).toBe(true);
  });
});

/** A dissected burst of these flows. */
function burstOf(...flows: string[]): Burst {
  const burst = new Burst(new Uint8Array(4096));
  flows.forEach((flow, i) => {
    const frame = flowFrame(parseFlow(flow, 'flow'));
    burst.bytes.set(frame, i * 256);
    burst.add(i * 256, frame.length);
  });
  dissectBurst(burst);
  return burst;
}

describe('a trace', () => {
  const steering = compilePolicy(parsePolicy('rss'), { workers: 2 });
  const global = () => new Int32Array(new SharedArrayBuffer(1024));
  const flows = [
    'udp 10.0.0.1:1 > 10.0.0.2:53',
    'udp 10.0.0.1:2 > 10.0.0.2:53',
    'udp 10.0.0.3:3 > 10.0.0.2:53',
  ];

  it('takes as many decisions as are wanted, with where the frames went', async () => {
    const words = global();
    const collector = new TraceCollector(words, (index) => `port${index}`);
    const posted: TraceMessage[] = [];
    const tap = new TraceTap(words, 1, (message) => {
      posted.push(message);
      collector.accept(message);
    });
    expect(tap.armed()).toBe(false);
    const entries = collector.collect(2, 10_000);
    expect(tap.armed()).toBe(true);
    const burst = burstOf(...flows);
    burst.port = 3;
    steering.steer(burst);
    tap.take(steering, burst);
    const wanted = burst.worker[0]!;
    tap.finish((i) => (i === 0 ? { to: 1 - wanted, why: 'stays there' } : null));
    expect(tap.armed()).toBe(false);
    const [first, second] = await entries;
    expect(first).toMatchObject({ port: 'port3', by: 1, worker: wanted, to: 1 - wanted });
    expect(first!.reason).toBe(`${steering.explain(burst, 0)}; stays there`);
    expect(Buffer.from(first!.frame)).toEqual(Buffer.from(burst.bytes.slice(0, first!.length)));
    expect(second).toMatchObject({ to: burst.worker[1], reason: steering.explain(burst, 1) });
    expect(posted).toHaveLength(2);
    // What comes late belongs to no later trace.
    const next = collector.collect(1, 1);
    collector.accept(posted[0]!);
    expect(await next).toEqual([]);
  });

  it('takes a decision also where the policy fails to explain it, and no worker dies of that', async () => {
    const words = global();
    const collector = new TraceCollector(words, String);
    const entries = collector.collect(1, 10_000);
    const tap = new TraceTap(words, 0, (message) => collector.accept(message));
    const burst = burstOf(...flows);
    steering.steer(burst);
    const mute = {
      ...{ spec: steering.spec, text: '', workers: 2, queues: 2 },
      decision: () => {
        throw new Error('not to be told\nat all');
      },
    };
    tap.take(mute as unknown as typeof steering, burst);
    tap.finish(() => null);
    const [entry] = await entries;
    expect(entry).toMatchObject({
      reason: 'no explanation: not to be told',
      worker: burst.worker[0],
      packet: { dport: 53 },
    });
  });

  it('ends with what it has when nobody waits for it any more', async () => {
    const words = global();
    const collector = new TraceCollector(words, String);
    const gone = new AbortController();
    const entries = collector.collect(100, 600_000, gone.signal);
    expect(collector.busy).toBe(true);
    gone.abort();
    expect(await entries).toEqual([]);
    expect([collector.busy, words[Global.trace]]).toEqual([false, 0]);
  });

  it('gives what it has when the time is over', async () => {
    const words = global();
    const collector = new TraceCollector(words, String);
    const entries = collector.collect(100, 20);
    const tap = new TraceTap(words, 0, (message) => collector.accept(message));
    const burst = burstOf(...flows);
    steering.steer(burst);
    tap.take(steering, burst);
    tap.finish(() => null);
    expect(await entries).toHaveLength(3);
    expect(words[Global.trace]).toBe(0);
  });
});

describe('the census', () => {
  it('lists flows of the window with a packet and their frames', () => {
    const memory = carveCensus(new Carver(allocateShared((carver) => carveCensus(carver, 2))), 2);
    const slots = new Int32Array(2 * QUEUE_SLOTS * SLOT_WORDS);
    const reader = new CensusReader(memory, slots, 0);
    const writer = new CensusWriter(memory);
    const burst = burstOf('udp 10.0.0.1:1 > 10.0.0.2:53', 'udp 10.0.0.1:2 > 10.0.0.2:53');
    burst.port = 4;
    burst.queue = 1;
    const ports = [{ firstQueue: 1, rxQueues: 1 }];
    const flow = (k: number, i: number, frames: number, worker: number) => {
      const s = (QUEUE_SLOTS + k) * SLOT_WORDS;
      if (slots[s + Slot.tag] !== burst.flow[i]) writer.enter(s, burst.flow[i]!, burst, i);
      slots[s + Slot.tag] = burst.flow[i]!;
      slots[s + Slot.frames] = frames;
      slots[s + Slot.owner] = worker + 1;
    };
    flow(7, 0, 5, 1);
    flow(FLOW_SLOTS - 1, 1, 2, 0);
    const { windowMs, flows } = reader.read(ports, 250);
    expect(windowMs).toBe(250);
    const frame = (i: number) => burst.bytes.slice(burst.off[i], burst.off[i]! + burst.len[i]!);
    expect(flows).toEqual([
      { frame: frame(0), length: burst.len[0], port: 4, queue: 1, worker: 1, packets: 5 },
      { frame: frame(1), length: burst.len[1], port: 4, queue: 1, worker: 0, packets: 2 },
    ]);
    // Nothing of other ports' queues.
    expect(reader.read([{ firstQueue: 0, rxQueues: 1 }], 250).flows).toEqual([]);
    reader.turn(ports, 1000, 7);
    reader.turn(ports, 2000, 7);
    flow(7, 0, 12, 0);
    expect(reader.read(ports, 2500)).toMatchObject({ windowMs: 1500, flows: [{ packets: 7, worker: 0 }] });
    // The slot passes to another flow: counted from its first frame.
    flow(7, 1, 9, 0);
    expect(reader.read(ports, 2500).flows).toMatchObject([{ packets: 9, frame: frame(1) }]);
    // Turns without a frame in between move the window only.
    for (const second of [3, 4, 5, 6, 7, 8]) reader.turn(ports, 1000 * second, 16);
    expect(reader.read(ports, 8500)).toEqual({ windowMs: 1500, flows: [] });
    flow(7, 1, 12, 0);
    expect(reader.read(ports, 8500)).toMatchObject({ windowMs: 1500, flows: [{ packets: 3 }] });
    reader.turn(ports, 9000, 19);
    reader.turn(ports, 10_000, 19);
    expect(reader.read(ports, 10_500)).toMatchObject({ windowMs: 1500, flows: [] });
  });
});
