// The life of one RFS flow, step by step, and the laws behind it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rscale, sdiff } from '#rxsteer/linux/arith.js';
import { onlineCpus, RPS_NONE, RpsQueue, RpsReason } from '#rxsteer/linux/rps.js';
import { DevFlowTable, FLOW_SLOT_WORDS, RpsMap, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import { Burst } from '#rxsteer/packet/burst.js';

/** Backlog counters by hand: an enqueue is reported to the queue, `heads` moves when a test says so. */
function machine(cpus: number, queue: RpsQueue) {
  const heads = new Int32Array(cpus);
  const tails = new Int32Array(cpus);
  return {
    heads,
    tails,
    packet(hash: number): number {
      const cpu = queue.steer(hash, heads);
      if (cpu >= 0) {
        tails[cpu] = (tails[cpu]! + 1) | 0;
        queue.enqueued(tails[cpu]!);
      }
      return cpu;
    },
  };
}

function slotOf(table: DevFlowTable, hash: number) {
  const o = table.slotOf(hash) * FLOW_SLOT_WORDS;
  return { cpu: table.slots[o]!, lastQueueTail: table.slots[o + 1]! };
}

describe.each(['hash32', 'mask'] as const)('life of one flow (slot by %s)', (flowSlot) => {
  test.each(['poll', 'packet'] as const)('head counter per %s', (headCounter) => {
    const h = 0x20000009;
    const g = 0x20000011;
    const map = new RpsMap([2, 3]);
    const flows = new DevFlowTable(8, { flowSlot });
    const sock = new SockFlowTable(8, 4);
    const queue = new RpsQueue({ map, flows, sock, online: onlineCpus(4) });
    const m = machine(4, queue);
    expect(flows.slotOf(h)).toBe(flowSlot === 'hash32' ? 2 : 1);
    expect(flows.slotOf(g)).toBe(flows.slotOf(h));

    // 1 unknown flow: the map's CPU, slot untouched
    expect(m.packet(h)).toBe(2);
    expect(m.tails[2]).toBe(1);
    expect(slotOf(flows, h).cpu).toBe(0xffff);
    expect(queue.reason).toBe(RpsReason.map);
    // 2 recvmsg on CPU 1
    sock.record(h, 1);
    expect(sock.entries[1]! >>> 0).toBe(0x20000009);
    // 3 moved at once although CPU 2 still holds packet 1
    expect(m.packet(h)).toBe(1);
    expect(slotOf(flows, h)).toEqual({ cpu: 1, lastQueueTail: 1 });
    // 4 recvmsg on CPU 0
    sock.record(h, 0);
    expect(sock.entries[1]! >>> 0).toBe(0x20000008);
    // 5 CPU 1 has not drained: stays
    expect(m.packet(h)).toBe(1);
    expect(slotOf(flows, h).lastQueueTail).toBe(2);
    expect(queue.reason).toBe(RpsReason.held);
    // 6 one of two delivered inside a poll: stays, by either way of counting
    m.heads[1] = headCounter === 'packet' ? 1 : 0;
    expect(m.packet(h)).toBe(1);
    expect(slotOf(flows, h).lastQueueTail).toBe(3);
    // 7, 8 the poll ends: moves
    m.heads[1] = 3;
    expect(m.packet(h)).toBe(0);
    expect(queue.reason).toBe(RpsReason.moved);
    expect(slotOf(flows, h)).toEqual({ cpu: 0, lastQueueTail: 1 });
    // 9 a flow with the same index takes the entry
    sock.record(g, 3);
    expect(sock.entries[1]! >>> 0).toBe(0x20000013);
    // 10 the tag of h is lost: map, no look at what is outstanding, slot unchanged
    expect(m.packet(h)).toBe(2);
    expect(slotOf(flows, h)).toEqual({ cpu: 0, lastQueueTail: 1 });
    // 11 g shares the slot: CPU 0 until that has drained
    expect(m.packet(g)).toBe(0);
    m.heads[0] = 2;
    expect(m.packet(g)).toBe(3);
    // 12 closing h's socket wipes g's entry
    sock.remove(h);
    expect(sock.entries[1]! >>> 0).toBe(0x0000ffff);
    expect(m.packet(g)).toBe(2);
  });
});

describe('worked examples', () => {
  test('tag, CPU and index of an entry', () => {
    const sock = new SockFlowTable(8, 4);
    sock.record(0xabcdef05, 2);
    expect(sock.entries[5]! >>> 0).toBe(0xabcdef06);
    expect(sock.wanted(0xabcdef05)).toBe(2);
    expect(sock.wanted(0xabcdef0d)).toBe(-1);
  });

  test('a table smaller than the CPU range lets two hashes alias', () => {
    const sock = new SockFlowTable(2, 4);
    sock.record(0xabcdef04, 3);
    expect(sock.wanted(0xabcdef04 ^ 2)).toBe(3);
    expect(sock.wanted(0xabcdef04 ^ 4)).toBe(-1);
  });

  test.each([
    [0xfffffffe, 0x00000001, true],
    [0xfffffffe, 0xfffffffd, false],
    [0xffffffff, 0x00000002, true],
    [0xffffffff, 0x7fffffff, false],
  ])('slot tail %i, head %i: may move is %s', (tail, head, moves) => {
    const flows = new DevFlowTable(8);
    const sock = new SockFlowTable(8, 4);
    const queue = new RpsQueue({ flows, sock, online: onlineCpus(4) });
    const h = 0x12345678;
    const o = flows.slotOf(h) * FLOW_SLOT_WORDS;
    flows.slots[o] = 0;
    flows.slots[o + 1] = tail;
    sock.record(h, 1);
    const heads = Int32Array.of(head, 77, 0, 0);
    expect(queue.steer(h, heads)).toBe(moves ? 1 : 0);
    if (moves) expect(flows.slots[o + 1]).toBe(77);
  });
});

describe('edges', () => {
  const online = onlineCpus(4);
  const heads = new Int32Array(4);

  test('without map and flow table nothing is steered, whatever the hash', () => {
    const queue = new RpsQueue({ sock: new SockFlowTable(8, 4), online });
    expect(queue.steer(0x1234, heads)).toBe(RPS_NONE);
    expect(queue.reason).toBe(RpsReason.off);
  });

  test('hash 0 is not steered now, and was by the one-CPU shortcut', () => {
    const map = new RpsMap([3]);
    expect(new RpsQueue({ map, online }).steer(0, heads)).toBe(RPS_NONE);
    expect(new RpsQueue({ map, online, singleCpuShortcut: true }).steer(0, heads)).toBe(3);
    expect(new RpsQueue({ map, online }).steer(5, heads)).toBe(3);
  });

  test('an offline CPU of the map gives no steering, not another CPU', () => {
    const queue = new RpsQueue({ map: new RpsMap([1, 2]), online: Int32Array.of(1, 1, 0, 1) });
    expect(queue.steer(0x10, heads)).toBe(1);
    expect(queue.steer(0xf0000000, heads)).toBe(RPS_NONE);
  });

  test('a flow leaves a CPU that went offline without waiting', () => {
    const mine = onlineCpus(4);
    const flows = new DevFlowTable(8);
    const sock = new SockFlowTable(8, 4);
    const queue = new RpsQueue({ map: new RpsMap([2]), flows, sock, online: mine });
    const m = machine(4, queue);
    sock.record(0x99, 1);
    expect(m.packet(0x99)).toBe(1);
    sock.record(0x99, 0);
    expect(m.packet(0x99)).toBe(1);
    mine[1] = 0;
    expect(m.packet(0x99)).toBe(0);
  });

  test('a wanted CPU that is offline falls back to the map', () => {
    const queue = new RpsQueue({
      map: new RpsMap([2]),
      flows: new DevFlowTable(8),
      sock: new SockFlowTable(8, 4),
      online: Int32Array.of(1, 0, 1, 1),
    });
    queue.sock!.record(0x99, 1);
    expect(queue.steer(0x99, heads)).toBe(2);
    expect(queue.slot).toBe(-1);
  });

  test('an empty entry matches hashes near 0xffff', () => {
    const sock = new SockFlowTable(8, 4);
    expect(sock.wanted(0xffff)).toBe(3);
    expect(sock.wanted(0xfffb)).toBe(-1);
    // With 3 CPUs the mask is still 3: CPU 3 does not exist, so that the map decides.
    const three = new SockFlowTable(8, 3);
    const flows = new DevFlowTable(8);
    const queue = new RpsQueue({ map: new RpsMap([1]), flows, sock: three, online: onlineCpus(3) });
    expect(queue.steer(0xffff, new Int32Array(3))).toBe(1);
    expect(slotOf(flows, 0xffff).cpu).toBe(3);
  });

  test('entries without tags (before 4.0) steer any flow of the index', () => {
    const sock = new SockFlowTable(8, 4, { sockEntry: 'cpu' });
    const queue = new RpsQueue({ map: new RpsMap([3]), flows: new DevFlowTable(8), sock, online });
    expect(queue.steer(0x19, heads)).toBe(3);
    sock.record(0x11, 2);
    expect(queue.steer(0x19, heads)).toBe(2);
  });

  test('two moves without an enqueue between them are allowed', () => {
    const sock = new SockFlowTable(8, 4);
    const queue = new RpsQueue({ flows: new DevFlowTable(8), sock, online });
    sock.record(0x42, 1);
    expect(queue.steer(0x42, heads)).toBe(1);
    sock.record(0x42, 2);
    expect(queue.steer(0x42, heads)).toBe(2);
  });

  test('sizes and CPUs out of range are refused by name', () => {
    expect(() => new RpsMap([])).toThrow(/at least one CPU/);
    expect(() => new RpsMap([65535])).toThrow(/CPU 65535 is not in 0-65534/);
    expect(() => new SockFlowTable(2 ** 29 + 1, 2)).toThrow(/1-536870912 are permitted/);
    expect(() => new DevFlowTable(0)).toThrow(/0 entries/);
    expect(() => new RpsQueue({ map: new RpsMap([4]), online })).toThrow(/CPU 4 is not in 0-3/);
    expect(() => new RpsQueue({ map: new RpsMap([3]), online, order: 'strict' })).toThrow(/flow table/);
    expect(() => new DevFlowTable(8, { slots: new Int32Array(8) })).toThrow(/8 words, 32 are needed/);
  });

  test('a table on shared memory is seen by a second view', () => {
    const words = DevFlowTable.words(1000);
    const memory = new Int32Array(new SharedArrayBuffer(4 * words));
    memory.set(new DevFlowTable(1000).slots);
    const one = new DevFlowTable(1000, { slots: memory });
    const two = new DevFlowTable(1000, { slots: memory });
    one.slots[one.slotOf(7) * FLOW_SLOT_WORDS] = 3;
    expect(slotOf(two, 7).cpu).toBe(3);
    expect(one.size).toBe(1024);
  });
});

describe('laws', () => {
  const u32 = fc.integer({ min: 1, max: 0xffffffff });

  test('a plain map is rscale over its CPUs', () => {
    fc.assert(
      fc.property(u32, fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { minLength: 1 }), (h, cpus) => {
        const queue = new RpsQueue({ map: new RpsMap(cpus), online: onlineCpus(64) });
        expect(queue.steer(h | 0, new Int32Array(64))).toBe(cpus[rscale(h, cpus.length)]);
      }),
    );
  });

  test('what was recorded is found again, with tables not smaller than the CPU range', () => {
    fc.assert(
      fc.property(u32, fc.integer({ min: 1, max: 64 }), fc.nat(), (h, cpus, pick) => {
        const sock = new SockFlowTable(64, cpus);
        sock.record(h | 0, pick % cpus);
        expect(sock.wanted(h | 0)).toBe(pick % cpus);
        expect(sock.wanted(h | 0)).toBe(sock.wanted(h));
      }),
    );
  });

  // Events on 4 CPUs and few flows: a packet, an application that moves, a CPU that drains some packets.
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('packet' as const), flow: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('run' as const), flow: fc.nat(5), cpu: fc.nat(3) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('drain' as const), cpu: fc.nat(3), n: fc.nat(3) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), flow: fc.nat(5) }) },
  );

  type Event =
    | { kind: 'packet' | 'close'; flow: number }
    | { kind: 'run'; flow: number; cpu: number }
    | { kind: 'drain'; cpu: number; n: number };

  function reordered(order: 'linux' | 'strict', events: readonly Event[]): number {
    // Flow hashes share table slots on purpose.
    const hashes = [0x20000009, 0x20000011, 0x80000009, 0x7, 0xf0000001, 0x20000003];
    const sock = new SockFlowTable(8, 4);
    const flows = new DevFlowTable(4);
    const queue = new RpsQueue({ map: new RpsMap([0, 2]), flows, sock, online: onlineCpus(4), order });
    // Start shortly before the wrap of the counters.
    const start = -5;
    const heads = new Int32Array(4).fill(start);
    const tails = new Int32Array(4).fill(start);
    const queues: { flow: number; seq: number }[][] = [[], [], [], []];
    const sent = new Array<number>(6).fill(0);
    const last = new Array<number>(6).fill(-1);
    let wrong = 0;
    const drain = (cpu: number, n: number) => {
      for (const p of queues[cpu]!.splice(0, n)) {
        heads[cpu] = (heads[cpu]! + 1) | 0;
        if (p.seq < last[p.flow]!) wrong++;
        last[p.flow] = p.seq;
      }
    };
    for (const e of events) {
      if (e.kind === 'run') sock.record(hashes[e.flow]!, e.cpu);
      else if (e.kind === 'close') sock.remove(hashes[e.flow]!);
      else if (e.kind === 'drain') drain(e.cpu, e.n);
      else {
        const cpu = queue.steer(hashes[e.flow]!, heads);
        queues[cpu]!.push({ flow: e.flow, seq: sent[e.flow]!++ });
        tails[cpu] = (tails[cpu]! + 1) | 0;
        queue.enqueued(tails[cpu]!);
      }
    }
    for (const cpu of [3, 2, 1, 0]) drain(cpu, queues[cpu]!.length);
    return wrong;
  }

  test('strict order never reorders a flow', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        expect(reordered('strict', events)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test('the kernel reorders through its known hole: packet, record, packet, later CPU first', () => {
    const events = [
      { kind: 'packet', flow: 0 },
      { kind: 'run', flow: 0, cpu: 3 },
      { kind: 'packet', flow: 0 },
      { kind: 'drain', cpu: 3, n: 1 },
    ] as const;
    expect(reordered('linux', events)).toBe(1);
    expect(reordered('strict', events)).toBe(0);
  });

  test('moves between RFS CPUs keep the order under the kernel rule too', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        // Each flow known from the start, entries never lost: one flow, no close.
        const one = events
          .filter((e) => e.kind !== 'close')
          .map((e) => (e.kind === 'drain' ? e : { ...e, flow: 0 }));
        expect(reordered('linux', [{ kind: 'run', flow: 0, cpu: 1 }, ...one])).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('a burst is steered like its packets one by one, its own frames counted as outstanding', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0x20000009, 0x20000011, 0x7, 0), { minLength: 1, maxLength: 64 }),
        fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
        (hashes, cpus) => {
          const make = () => {
            const sock = new SockFlowTable(8, 4);
            [0x20000009, 0x20000011, 0x7].forEach((h, i) => void sock.record(h, cpus[i]!));
            return new RpsQueue({
              map: new RpsMap([0, 2]),
              flows: new DevFlowTable(4),
              sock,
              online: onlineCpus(4),
            });
          };
          const single = make();
          const m = machine(4, single);
          const wanted = hashes.map((h) => m.packet(h));
          const whole = make();
          const burst = new Burst(new Uint8Array(64));
          for (const h of hashes) burst.hash[burst.add(0, 64)] = h;
          const tails = new Int32Array(4);
          whole.steerBurst(burst, new Int32Array(4), tails, 1);
          expect([...burst.worker.subarray(0, burst.n)]).toEqual(wanted.map((c) => (c < 0 ? 1 : c)));
          expect([...whole.flows!.slots].filter((_, i) => i % 4 === 0)).toEqual(
            [...single.flows!.slots].filter((_, i) => i % 4 === 0),
          );
          expect(tails.reduce((a, b) => a + b, 0)).toBe(hashes.length);
        },
      ),
    );
  });

  test('the guard is the sign of the modular difference', () => {
    fc.assert(
      fc.property(u32, u32, (head, tail) => {
        const flows = new DevFlowTable(2);
        const sock = new SockFlowTable(8, 2);
        const queue = new RpsQueue({ flows, sock, online: onlineCpus(2) });
        const o = flows.slotOf(0x77) * FLOW_SLOT_WORDS;
        flows.slots[o] = 0;
        flows.slots[o + 1] = tail;
        sock.record(0x77, 1);
        expect(queue.steer(0x77, Int32Array.of(head, 0)) === 1).toBe(sdiff(head, tail) >= 0);
      }),
    );
  });
});
