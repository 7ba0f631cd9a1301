/** What a worker holds of the ports, followed without a kernel: the addon's objects only say that they were made. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Native } from '#rxsteer/addon/native.js';
import { DownSender, type ReceiveQueue } from '#rxsteer/dataplane/ports/attach.js';
import type { PortAttacher } from '#rxsteer/dataplane/ports/attacher.js';
import { attacher } from '#rxsteer/dataplane/ports/packet/attach.js';
import { PACKET_WORDS, type PacketData, PacketWord } from '#rxsteer/dataplane/ports/packet/data.js';
import type { EngineViews } from '#rxsteer/dataplane/shared/engine-memory.js';
import type { EnginePlan } from '#rxsteer/dataplane/shared/plan.js';
import type { PortInfo } from '#rxsteer/dataplane/shared/port-info.js';
import { WorkerPorts } from '#rxsteer/dataplane/worker/worker-ports.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { makePool } from '../ports/harness.js';

function port(index: number, queues = 1, more: Partial<PortInfo> = {}): PortInfo {
  return {
    index,
    generation: 0,
    removed: false,
    firstQueue: index * 4,
    firstLock: index * 4,
    firstPoller: 0,
    name: `p${index}`,
    kind: 'af_packet',
    rxQueues: queues,
    txQueues: queues,
    finite: false,
    data: {
      words: new SharedArrayBuffer(PACKET_WORDS * 4),
      state: new SharedArrayBuffer(queues * 16),
      offload: true,
      staging: [],
    } satisfies PacketData,
    ...more,
  } as PortInfo;
}

const PORTS = 4;

/** A kind whose senders use the queue that a word names, and nothing while that is -1. */
const chooser: PortAttacher<Int32Array> = {
  receiver: () => null,
  sender: (_, { data }) =>
    data[0]! < 0 ? null : { ...new DownSender(), txQueue: data[0]!, send: () => 0, close: () => {} },
};

/** Worker `me` of `active`, and a log of what it opens and closes by the descriptor. */
function worker(ports: readonly PortInfo[], active = 1, me = 0) {
  const log: string[] = [];
  class Opened {
    constructor(private readonly fd: number) {
      log.push(`open ${fd}`);
    }
    receive = () => 0;
    send = () => 0;
    close(): void {
      log.push(`close ${this.fd}`);
    }
  }
  const native = { PacketReceiver: Opened, PacketSender: Opened } as unknown as Native;
  const words = (n: number) => new Int32Array(new SharedArrayBuffer(n * 4));
  const views = {
    pollers: words(PORTS * 4),
    portEpochs: words(PORTS),
    workers: [words(64), words(64)],
  } as unknown as EngineViews;
  const plan = { ports, active, workers: 8, room: { ports: PORTS, queues: PORTS * 4 } } as EnginePlan;
  const pool = makePool();
  const burst = new Burst(pool.bytes);
  const attachers = new Map([
    ['af_packet', attacher as PortAttacher],
    ['chooser', chooser as PortAttacher],
  ]);
  const parts = {
    plan,
    views,
    pool,
    native,
    clock: {} as never,
    worker: me,
    burst,
    status: words(8),
    attachers,
  };
  const held = new WorkerPorts(parts, { wake: () => false });
  /** The main thread gives a port other descriptors: `fd` for receiving, `fd + 100` for sending. */
  const publish = (index: number, fd: number) => {
    const { rxQueues, txQueues, data } = ports[index]!;
    const fds = new Int32Array((data as PacketData).words).fill(-1);
    for (let q = 0; q < rxQueues; q++) fds[PacketWord.receive + q] = fd < 0 ? -1 : fd + q;
    for (let q = 0; q < txQueues; q++) fds[PacketWord.send + q] = fd < 0 ? -1 : fd + q + 100;
    Atomics.add(views.portEpochs, index, 1);
  };
  return { held, plan, views, publish, take: () => log.splice(0) };
}

it('opens anew what has other descriptors, and nothing else', () => {
  const { held, plan, publish, take } = worker([port(0), port(1, 3), port(2)]);
  [10, 20, 30].forEach((fd, index) => {
    publish(index, fd);
  });
  held.release(plan, plan.active);
  expect(held.acquire()).toBe(true);
  take();
  const others = held.receivers.filter((queue) => queue.port !== 1);
  publish(1, -1);
  expect(held.reattach()).toBe(false);
  expect(take()).toEqual(['close 120']);
  // What the old descriptors still have is taken first: queue 1 has four frames more.
  let more = 4;
  const ask = ({ port: index, queue }: ReceiveQueue) => (index === 1 && queue === 1 && more-- > 0 ? 1 : 0);
  held.polled.round(ask);
  expect(held.settle()).toBe(false);
  expect(take()).toEqual(['close 20', 'close 22']);
  for (let round = 0; round < 4; round++) held.polled.round(ask);
  expect([held.settle(), more]).toEqual([true, -1]);
  expect(take()).toEqual(['close 21']);
  expect(held.receivers).toEqual(others);
  publish(1, 40);
  expect(held.reattach()).toBe(true);
  expect(take().sort()).toEqual(['open 140', 'open 40', 'open 41', 'open 42']);
  expect(held.receivers.filter((queue) => queue.port !== 1)).toEqual(others);
  expect(held.reattach()).toBe(true);
  expect(take()).toEqual([]);
});

it('descriptors that are replaced while it takes a queue up are those that it has in the end', () => {
  const { held, plan, publish, take } = worker([port(0)]);
  publish(0, 10);
  held.release(plan, plan.active);
  publish(0, 20);
  held.acquire();
  held.reattach();
  expect(take()).toEqual(['open 110', 'open 20', 'close 110', 'open 120']);
  held.close();
  expect(take()).toEqual(['close 20', 'close 120']);
});

it('takes a lock where another worker that runs, joins or leaves sends to the same transmit queue, else none', () => {
  const workers = fc.integer({ min: 1, max: 8 });
  const queues = fc.integer({ min: 0, max: 4 });
  fc.assert(
    fc.property(workers, workers, fc.nat(8), queues, queues, (before, span, id, one, other) => {
      // The one that joins has the next number.
      const me = Math.min(id, span);
      const ports = [port(0, 1, { txQueues: one }), port(1, 1, { txQueues: other })];
      const { held, plan } = worker(ports, 1, me);
      held.release(plan, before);
      held.release(plan, span);
      for (const { index, txQueues, firstLock } of ports) {
        const others = Array.from({ length: span }, (_, w) => w).filter((w) => w !== me);
        const shared = txQueues > 0 && others.some((w) => w % txQueues === me % txQueues);
        expect(held.lockOf[index]).toBe(shared ? firstLock + (me % txQueues) : -1);
      }
      held.close();
    }),
  );
});

it('takes the lock of the queue that a kind has chosen, alone or not, and of another one when it attaches anew', () => {
  const chosen = new Int32Array([2]);
  const info = port(1, 0, { kind: 'chooser', txQueues: 4, choosesQueue: true, data: chosen });
  const { held, plan, views } = worker([port(0, 1, { txQueues: 0 }), info]);
  held.release(plan, plan.active);
  expect(held.lockOf[1]).toBe(info.firstLock + 2);
  const attach = (queue: number) => {
    chosen[0] = queue;
    Atomics.add(views.portEpochs, 1, 1);
    held.reattach();
    return [held.lockOf[1], held.senders[1]?.txQueue];
  };
  expect(attach(3)).toEqual([info.firstLock + 3, 3]);
  // Nobody is there: nothing is shared.
  expect(attach(-1)).toEqual([-1, undefined]);
  expect(attach(0)).toEqual([info.firstLock, 0]);
  held.close();
});
