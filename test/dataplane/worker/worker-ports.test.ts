/** What a worker holds of the ports, followed without a kernel: the addon's objects only say that they were made. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Native } from '#rxsteer/addon/native.js';
import type { ReceiveQueue } from '#rxsteer/dataplane/ports/attach.js';
import type { EngineViews } from '#rxsteer/dataplane/shared/engine-memory.js';
import type { EnginePlan } from '#rxsteer/dataplane/shared/plan.js';
import type { PortInfo } from '#rxsteer/dataplane/shared/port-info.js';
import { PORT_FDS, PortFd } from '#rxsteer/dataplane/shared/words.js';
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
    offload: true,
    source: null,
    sink: null,
    staging: [],
    state: new SharedArrayBuffer(queues * 16),
    ...more,
  } as PortInfo;
}

const PORTS = 4;

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
    portFds: words(PORTS * PORT_FDS).fill(-1),
    portEpochs: words(PORTS),
    workers: [words(64), words(64)],
  } as unknown as EngineViews;
  const plan = { ports, active, workers: 8, room: { ports: PORTS, queues: PORTS * 4 } } as EnginePlan;
  const pool = makePool();
  const burst = new Burst(pool.bytes);
  const parts = { plan, views, pool, native, clock: {} as never, worker: me, burst, status: words(8) };
  const held = new WorkerPorts(parts, { wake: () => false });
  /** The main thread gives a port other descriptors: `fd` for receiving, `fd + 100` for sending. */
  const publish = (index: number, fd: number) => {
    const { rxQueues, txQueues } = ports[index]!;
    for (let q = 0; q < rxQueues; q++) {
      views.portFds[index * PORT_FDS + PortFd.receive + q] = fd < 0 ? -1 : fd + q;
    }
    for (let q = 0; q < txQueues; q++) {
      views.portFds[index * PORT_FDS + PortFd.send + q] = fd < 0 ? -1 : fd + q + 100;
    }
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
