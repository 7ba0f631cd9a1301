/** The transmit stage by itself: what becomes of frames, whatever the forwarding decision says. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SendResult } from '#rxsteer/addon/native.js';
import { GuestTable } from '#rxsteer/dataplane/order/guest-sharing.js';
import { OrderMeter } from '#rxsteer/dataplane/order/meter.js';
import { DownSender } from '#rxsteer/dataplane/ports/attach.js';
import { MemorySink } from '#rxsteer/dataplane/ports/memory/sink.js';
import { makeSendArrays, type Sender } from '#rxsteer/dataplane/ports/port.js';
import { DROP_REASONS, PortCounter, WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { Transmitter } from '#rxsteer/dataplane/worker/transmit.js';
import { Batch, Out } from '#rxsteer/forward/batch.js';
import { FrameFlag } from '#rxsteer/packet/burst.js';
import { makePool } from '../ports/harness.js';

const ROOM = 6;
const UNWATCHED = -0x8000_0000;

/** A worker that knows the ports 0 (cannot send), 1 and 2 (sinks) and 3 (its device is gone). */
function stage(take?: (copies: number) => boolean, third: Sender = new DownSender()) {
  const counters = new Float64Array(64);
  const portCounters = new Float64Array(16 * ROOM);
  const meter = new OrderMeter(
    new Int32Array(16),
    { append: () => -1 } as never,
    new Float64Array(64),
    new GuestTable(new Int32Array(2 + 2 * 8192)),
  );
  const transmitter = new Transmitter({
    worker: 0,
    pool: makePool(),
    senders: [null, new MemorySink(), new MemorySink(), third, null, null],
    floods: Uint8Array.of(0, 1, 1, 1, 0, 0),
    lockOf: new Int32Array(ROOM).fill(-1),
    locks: new Int32Array(128),
    meter,
    counters,
    portCounters,
    ...(take === undefined
      ? {}
      : {
          floodBudget: { take: (_port: number, _rate: number, copies: number) => take(copies) } as never,
          floodRates: new Float64Array(ROOM).fill(1),
        }),
    scratch: 0,
    yieldThread() {},
  });
  transmitter.ports = 4;
  return { transmitter, counters, portCounters };
}

it('every frame is counted once, also one for a port that this worker has not taken up yet', () => {
  const { transmitter, counters } = stage();
  const batch = new Batch();
  const out = fc.oneof(
    fc.integer({ min: 0, max: ROOM - 1 }),
    fc.constantFrom(Out.flood, Out.noRoute, Out.filtered, Out.malformed),
  );
  const works = fc.oneof(
    fc.array(out, { minLength: 1, maxLength: 64 }),
    fc.tuple(out, fc.integer({ min: 1, max: 64 })).map(([to, n]) => new Array<number>(n).fill(to)),
  );
  fc.assert(
    fc.property(works, (outs) => {
      counters.fill(0);
      outs.forEach((to, i) => {
        batch.add({ id: i, len: 60, port: 0, ledger: UNWATCHED });
        batch.out[i] = to;
      });
      transmitter.send(batch);
      const arrived = outs.filter((_, i) => transmitter.arrived(i)).length;
      transmitter.commit(batch);
      const dropped = DROP_REASONS.map((_, reason) => counters[WorkerCounter.dropped + reason]!);
      const done = counters[WorkerCounter.transmitted]! + counters[WorkerCounter.delivered]!;
      expect(done).toBe(arrived);
      expect(done + dropped.reduce((a, b) => a + b)).toBe(outs.length);
      expect(done).toBe(outs.filter((to) => to === 1 || to === 2 || to === Out.flood).length);
    }),
  );
});

it('a flood beyond the budget of its port goes nowhere; frames to one port are not touched by it', () => {
  const granted: number[] = [];
  const { transmitter, counters, portCounters } = stage((copies) => granted.push(copies) <= 2);
  const batch = new Batch();
  const outs = [...new Array<number>(8).fill(Out.flood), 1, 1, 2];
  outs.forEach((to, i) => {
    batch.add({ id: i, len: 60, port: 0, ledger: UNWATCHED });
    batch.out[i] = to;
  });
  transmitter.send(batch);
  transmitter.commit(batch);
  // Ports 1, 2 and 3 flood: two copies beyond the first.
  expect(granted).toEqual(new Array(8).fill(2));
  expect(counters[WorkerCounter.dropped + DROP_REASONS.indexOf('filtered')]).toBe(6);
  expect(counters[WorkerCounter.delivered]).toBe(5);
  expect(counters[WorkerCounter.deliveredCopies]).toBe(2);
  expect(portCounters[PortCounter.floodLimited]).toBe(6);
});

it('what stands behind a super-frame that stops a port is sent after it; one that cannot be cut is an error of its own', () => {
  const arrays = makeSendArrays();
  const sent: number[] = [];
  const stopping: Sender = {
    arrays,
    offload: true,
    delivers: false,
    send(from, to) {
      for (let k = from; k < to; k++) {
        if ((arrays.flags[k]! & FrameFlag.gso) === 0) {
          sent.push(arrays.len[k]!);
          arrays.result[k] = SendResult.sent;
          continue;
        }
        arrays.result[k] = SendResult.segment;
        arrays.result.fill(SendResult.untried, k + 1, to);
        return k - from;
      }
      return to - from;
    },
    close() {},
  };
  const { transmitter, counters, portCounters } = stage(undefined, stopping);
  const batch = new Batch();
  // The virtio-net headers of the pool are empty: no super-frame can be cut.
  const lengths = [60, 61, 2000, 62, 2001, 2002, 63];
  lengths.forEach((len, i) => {
    batch.add({
      id: i,
      len,
      port: 0,
      ledger: UNWATCHED,
      flags: len >= 2000 ? FrameFlag.gso | FrameFlag.vnet : 0,
    });
    batch.out[i] = 3;
  });
  transmitter.send(batch);
  transmitter.commit(batch);
  expect(sent).toEqual([60, 61, 62, 63]);
  expect(counters[WorkerCounter.transmitted]).toBe(4);
  expect(counters[WorkerCounter.dropped + DROP_REASONS.indexOf('malformed')]).toBe(3);
  const at = 3 * 16;
  expect(
    [PortCounter.txPackets, PortCounter.txErrors, PortCounter.unsegmentable].map((c) => portCounters[at + c]),
  ).toEqual([4, 3, 3]);
});
