// XPS and transmit queue choice, fanout, tun's automatic queues: traps and laws.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rscale } from '#rxsteer/linux/arith.js';
import { decodeFanoutArgument, encodeFanoutArgument, FanoutGroup, type Room } from '#rxsteer/linux/fanout.js';
import { packetHash } from '#rxsteer/linux/flow-hash.js';
import { RfsSocket } from '#rxsteer/linux/rfs-socket.js';
import { onlineCpus, RPS_NONE, RpsQueue } from '#rxsteer/linux/rps.js';
import {
  RpsDevice,
  receiveListOrder,
  receiveOn,
  recordedRxQueue,
  rpsNeeded,
} from '#rxsteer/linux/rps-device.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import { TUN_FLOWS_MAX, TunQueues } from '#rxsteer/linux/tun.js';
import { pickTxQueue, type TxSocket, XpsMap } from '#rxsteer/linux/xps.js';

describe('XPS maps', () => {
  test('keep the order of configuration', () => {
    const forth = new XpsMap(2);
    forth.set(0, [0]);
    forth.set(1, [0]);
    const back = new XpsMap(2);
    back.set(1, [0]);
    back.set(0, [0]);
    expect([forth.list(0), back.list(0)]).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  test('the last element moves into the hole of a removed one', () => {
    const map = new XpsMap(1);
    for (const q of [4, 5, 6, 7]) map.set(q, [0]);
    map.set(5, []);
    expect(map.list(0)).toEqual([4, 7, 6]);
    map.set(5, [0]);
    expect(map.list(0)).toEqual([4, 7, 6, 5]);
  });

  test('offline CPUs are not entered; a smaller device drops higher queues', () => {
    const map = new XpsMap(4);
    map.set(2, [0, 1, 3], { online: [0, 1] });
    expect(map.keysOf(2)).toEqual([0, 1]);
    map.set(0, [0]);
    map.set(3, [0]);
    map.shrink(2);
    expect(map.list(0)).toEqual([0]);
    expect(() => map.set(0, [4])).toThrow(/4 is not in 0-3/);
  });

  test('a mask reads back as it was written', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.uniqueArray(fc.nat(5)))), (writes) => {
        const map = new XpsMap(6);
        const last = new Map<number, number[]>();
        for (const [queue, keys] of writes) {
          map.set(queue, keys);
          last.set(queue, keys);
        }
        for (const [queue, keys] of last) expect(map.keysOf(queue)).toEqual([...keys].sort((a, b) => a - b));
        for (let key = 0; key < 6; key++) expect(new Set(map.list(key)).size).toBe(map.list(key).length);
      }),
    );
  });
});

describe('transmit queue', () => {
  const cpus = new XpsMap(2);
  cpus.set(0, [0]);
  cpus.set(1, [0]);
  cpus.set(2, [1]);
  const device = { realNumTxQueues: 4, cpus };
  const socket = (more: Partial<TxSocket> = {}): TxSocket => ({
    cachedQueue: -1,
    rxQueue: -1,
    hasRoute: true,
    ...more,
  });

  test('XPS of the CPU, by the high bits of the hash', () => {
    expect(pickTxQueue(device, { hash: 1, cpu: 0 })).toEqual({ queue: 0, reason: 'xps-cpus' });
    expect(pickTxQueue(device, { hash: 0x80000000, cpu: 0 })).toEqual({ queue: 1, reason: 'xps-cpus' });
    expect(pickTxQueue(device, { hash: 0x80000000, cpu: 1 })).toEqual({ queue: 2, reason: 'xps-cpus' });
  });

  test('the receive queue of the socket comes first, where it has a map', () => {
    const rxqs = new XpsMap(8);
    rxqs.set(3, [5]);
    expect(pickTxQueue({ ...device, rxqs }, { hash: 1, cpu: 0 }, socket({ rxQueue: 5 }))).toEqual({
      queue: 3,
      reason: 'xps-rxqs',
    });
    expect(pickTxQueue({ ...device, rxqs }, { hash: 1, cpu: 0 }, socket({ rxQueue: 6 })).reason).toBe(
      'xps-cpus',
    );
  });

  test('a socket stays on its queue until nothing of it is queued', () => {
    const s = socket();
    pickTxQueue(device, { hash: 0x80000000, cpu: 0 }, s);
    expect(s.cachedQueue).toBe(1);
    expect(pickTxQueue(device, { hash: 0, cpu: 1 }, s)).toEqual({ queue: 1, reason: 'cached' });
    expect(pickTxQueue(device, { hash: 0, cpu: 1, oooOkay: true }, s)).toEqual({
      queue: 2,
      reason: 'xps-cpus',
    });
    expect(s.cachedQueue).toBe(2);
    const routeless = socket({ hasRoute: false });
    pickTxQueue(device, { hash: 0, cpu: 1 }, routeless);
    expect(routeless.cachedQueue).toBe(-1);
    const beyond = socket({ cachedQueue: 9 });
    expect(pickTxQueue(device, { hash: 0, cpu: 1 }, beyond).queue).toBe(2);
  });

  test('without XPS: the receive queue of a forwarded packet folded into range, else the hash', () => {
    const plain = { realNumTxQueues: 3 };
    expect(pickTxQueue(plain, { hash: 0xffffffff, cpu: 0 })).toEqual({ queue: 2, reason: 'hash' });
    expect(pickTxQueue(plain, { hash: 0, cpu: 0, rxQueue: 7 })).toEqual({ queue: 1, reason: 'rx-queue' });
    const classes = [
      { offset: 0, count: 1 },
      { offset: 1, count: 2 },
    ];
    const withClasses = { ...plain, classes, priorityToClass: [0, 1] };
    expect(pickTxQueue(withClasses, { hash: 0xffffffff, cpu: 0, priority: 1 }).queue).toBe(2);
    expect(pickTxQueue(withClasses, { hash: 0xffffffff, cpu: 0, priority: 0 }).queue).toBe(0);
    expect(pickTxQueue(withClasses, { hash: 0, cpu: 0, priority: 1, rxQueue: 2 }).queue).toBe(2);
    expect(pickTxQueue(withClasses, { hash: 0, cpu: 0, priority: 1, rxQueue: 0 }).queue).toBe(1);
  });

  test('an entry beyond the real queues is no entry; a driver’s choice beyond them becomes 0', () => {
    const high = new XpsMap(1);
    high.set(9, [0]);
    expect(pickTxQueue({ realNumTxQueues: 4, cpus: high }, { hash: 0, cpu: 0 }).reason).toBe('hash');
    expect(pickTxQueue({ realNumTxQueues: 4, select: () => 4 }, { hash: 0, cpu: 0 })).toEqual({
      queue: 0,
      reason: 'capped',
    });
    expect(pickTxQueue({ realNumTxQueues: 1, select: () => 4 }, { hash: 0, cpu: 0 }).reason).toBe('single');
  });

  test('a traffic class that XPS does not have falls back to the hash', () => {
    expect(
      pickTxQueue(
        { ...device, priorityToClass: [1], classes: [{ offset: 0, count: 4 }] },
        { hash: 0, cpu: 0 },
      ).reason,
    ).toBe('hash');
  });
});

test('a recorded receive queue is one less than the mapping; one that does not exist is not steered', () => {
  const online = onlineCpus(4);
  const heads = new Int32Array(4);
  const device = new RpsDevice([0, 1, 2].map((cpu) => new RpsQueue({ map: new RpsMap([cpu + 1]), online })));
  expect([0, 1, 2, 3, 4].map((m) => device.steer(recordedRxQueue(m), 5, heads))).toEqual([
    1,
    1,
    2,
    3,
    RPS_NONE,
  ]);
  expect(device.badQueue).toBe(1);
});

describe('the receive paths', () => {
  test('what is not steered goes to the own backlog, or is processed on the spot', () => {
    expect(receiveOn('netif_rx', RPS_NONE, 1)).toEqual({ cpu: 1, backlog: true });
    expect(receiveOn('netif_rx', 0, 1)).toEqual({ cpu: 0, backlog: true });
    expect(receiveOn('netif_receive_skb', RPS_NONE, 1)).toEqual({ cpu: 1, backlog: false });
    expect(receiveOn('netif_receive_skb', 1, 1)).toEqual({ cpu: 1, backlog: true });
    expect(receiveOn('netif_receive_skb_core', 0, 1)).toEqual({ cpu: 1, backlog: false });
  });
  test('of a list the unsteered packets come last', () => {
    expect(receiveListOrder([-1, 0, -1, 1])).toEqual([1, 3, 0, 2]);
  });
  test('flow tables alone do not switch steering on', () => {
    const online = onlineCpus(2);
    const flowsOnly = new RpsQueue({ flows: new DevFlowTable(8), online });
    expect(rpsNeeded([flowsOnly], false)).toBe(false);
    expect(rpsNeeded([flowsOnly], true)).toBe(true);
    expect(rpsNeeded([flowsOnly, new RpsQueue({ map: new RpsMap([1]), online })], false)).toBe(true);
  });
  test('only a hardware hash over layer 4 is used, 0 included', () => {
    expect(packetHash('l4', 7, () => 9)).toBe(7);
    expect(packetHash('l4', 0, () => 9)).toBe(0);
    for (const type of ['none', 'l2', 'l3'] as const) expect(packetHash(type, 7, () => 9)).toBe(9);
  });
});

describe('sockets of RFS', () => {
  test('an unconnected one records nothing; a connected one after its first packet', () => {
    const table = new SockFlowTable(64, 4);
    const udp = new RfsSocket(table, false);
    udp.received(0x101);
    udp.call(2);
    expect(table.wanted(0x101)).toBe(-1);
    const tcp = new RfsSocket(table, true);
    tcp.call(1);
    tcp.received(0x102);
    expect(table.wanted(0x102)).toBe(-1);
    tcp.call(1);
    expect(table.wanted(0x102)).toBe(1);
  });
  test('closing wipes the entry once, also another flow’s; not between 4.0 and 6.16', () => {
    const table = new SockFlowTable(64, 4);
    const closing = new RfsSocket(table, true);
    closing.received(0x101);
    table.record(0x901, 3);
    closing.unhash();
    expect(table.wanted(0x901)).toBe(-1);
    table.record(0x901, 3);
    closing.unhash();
    expect(table.wanted(0x901)).toBe(3);
    const old = new RfsSocket(table, true, false);
    old.received(0x901);
    old.unhash();
    expect(table.wanted(0x901)).toBe(3);
  });
});

describe('fanout', () => {
  const packet = { hash: 0, cpu: 0, queueMapping: 0 };
  function group(options: ConstructorParameters<typeof FanoutGroup<string>>[0], rooms: Record<string, Room>) {
    const g = new FanoutGroup<string>(options);
    for (const id of Object.keys(rooms)) g.join(id, () => rooms[id]!);
    return g;
  }
  const roomy = { a: 'normal', b: 'normal', c: 'normal' } as const;

  test('the first packet of lb goes to member 1, and the counter goes on when members leave', () => {
    const g = group({ mode: 'lb' }, roomy);
    expect([1, 2, 3, 4].map(() => g.choose(packet))).toEqual([1, 2, 0, 1]);
    g.leave('a');
    expect([5, 6].map(() => g.choose(packet))).toEqual([1, 0]);
  });

  test('hash, cpu, qm and programs', () => {
    expect(group({ mode: 'hash' }, roomy).choose({ ...packet, hash: -1 })).toBe(2);
    expect(group({ mode: 'cpu' }, roomy).choose({ ...packet, cpu: 7 })).toBe(1);
    expect(group({ mode: 'qm' }, roomy).choose({ ...packet, queueMapping: 5 })).toBe(2);
    expect(group({ mode: 'cbpf' }, roomy).choose({ ...packet, program: -1 })).toBe(0xffffffff % 3);
    expect(group({ mode: 'ebpf' }, roomy).choose(packet)).toBe(0);
    expect(group({ mode: 'hash' }, {}).choose(packet)).toBe(-1);
  });

  test('rnd stays in range, hits all, and repeats with its seed', () => {
    const draw = (seed: number) => {
      const g = group({ mode: 'rnd', seed }, roomy);
      return Array.from({ length: 60 }, () => g.choose(packet));
    };
    expect(new Set(draw(1))).toEqual(new Set([0, 1, 2]));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  test('mode rollover fills the first member until it has no room', () => {
    const rooms: Record<string, Room> = { ...roomy };
    const g = group({ mode: 'rollover' }, rooms);
    expect(g.choose(packet)).toBe(0);
    rooms.a = 'low';
    expect(g.choose(packet)).toBe(1);
    expect(g.members[0]!.rolloverTo).toBe(1);
    // Room again is of no use until the reader looks.
    rooms.a = 'normal';
    rooms.b = 'none';
    expect(g.choose(packet)).toBe(2);
    rooms.c = 'none';
    expect(g.choose(packet)).toBe(0);
    expect(g.members[0]!.rolloversFailed).toBe(1);
    g.clearPressure('a');
    expect(g.members[0]!.pressure).toBe(false);
    expect(g.choose(packet)).toBe(0);
  });

  test('flag rollover: low room keeps small flows, sends huge ones away', () => {
    const rooms: Record<string, Room> = { a: 'low', b: 'normal', c: 'normal' };
    const g = group({ mode: 'hash', rollover: true }, rooms);
    // Sixteen samples at random places: it takes a while until more than half of them are this flow's.
    let kept = 0;
    while (g.choose({ ...packet, hash: 7 }) === 0) kept++;
    expect(kept).toBeGreaterThanOrEqual(9);
    expect(g.members[0]!.rolloversHuge).toBe(1);
    expect(g.choose({ ...packet, hash: 9 })).toBe(0);
    rooms.a = 'none';
    expect(g.choose({ ...packet, hash: 9 })).toBe(1);
    expect(g.members[0]!.rollovers).toBe(2);
  });

  test('the last member takes the place of one that leaves', () => {
    const g = group({ mode: 'hash' }, roomy);
    expect(g.leave('a')).toBe(true);
    expect(g.members.map((m) => m.id)).toEqual(['c', 'b']);
    expect(g.leave('a')).toBe(false);
  });

  test('joining twice and into a full group is refused', () => {
    const g = new FanoutGroup<number>({ mode: 'hash', maxMembers: 2 });
    expect([g.join(1), g.join(1), g.join(2), g.join(3)]).toEqual(['ok', 'EALREADY', 'ok', 'ENOSPC']);
    expect(() => new FanoutGroup({ mode: 'hash', maxMembers: 65537 })).toThrow(/1-65536/);
    expect(() => new FanoutGroup({ mode: 'random' as 'rnd' })).toThrow(/known: hash, lb, cpu/);
  });

  test('the argument of setsockopt', () => {
    expect(encodeFanoutArgument(0x1234, 'qm', 0x8000)).toBe(0x80051234);
    expect(decodeFanoutArgument(0x80051234)).toEqual({ group: 0x1234, mode: 5, flags: 0x8000 });
  });
});

describe('tun queues', () => {
  const four = () => {
    const tun = new TunQueues<string>();
    for (const name of ['a', 'b', 'c', 'd']) tun.attach(name);
    return tun;
  };

  test('by hash, then where it was last written', () => {
    const tun = four();
    expect(tun.select(0xc0000000, 0)).toEqual({ queue: 3, reason: 'hash' });
    tun.written(0xc0000000, 1, 0);
    expect(tun.select(0xc0000000 | 0, 1)).toEqual({ queue: 1, reason: 'learned' });
    tun.written(0xc0000000, 2, 2);
    expect(tun.select(0xc0000000, 3).queue).toBe(2);
  });

  test('flows that point to the queue number that vanished go to queue 0', () => {
    const tun = four();
    tun.written(1, 3, 0);
    tun.written(2, 1, 0);
    tun.detach('b');
    expect(tun.queues).toEqual(['a', 'd', 'c']);
    expect(tun.select(1, 1)).toEqual({ queue: 0, reason: 'capped' });
    expect(tun.select(2, 1)).toEqual({ queue: 1, reason: 'learned' });
    expect(tun.learned).toBe(2);
  });

  test('the clean-up does hit flows two above, should a program have left them', () => {
    const tun = four();
    tun.written(1, 3, 0);
    tun.detach('d');
    tun.detach('c');
    // Two queues left: the second clean-up was for number 3.
    expect(tun.learned).toBe(0);
  });

  test('forgotten at the first whole second that is 3 s after the last write', () => {
    const tun = four();
    tun.written(1, 2, 400);
    tun.written(2, 2, 1500);
    expect(tun.select(1, 3999).reason).toBe('learned');
    expect(tun.select(1, 4000).reason).toBe('hash');
    expect(tun.select(2, 4000).reason).toBe('learned');
    expect(tun.select(2, 5000).reason).toBe('hash');
    // Writing keeps a flow; sending to it does not.
    tun.written(3, 2, 10_000);
    tun.written(3, 2, 12_000);
    expect(tun.select(3, 14_999).reason).toBe('learned');
    expect(tun.select(3, 15_000).reason).toBe('hash');
  });

  test('with one queue, or a program, nothing is learned', () => {
    const one = new TunQueues<string>();
    expect(one.select(5, 0).queue).toBe(0);
    one.attach('a');
    one.written(5, 0, 0);
    expect(one.learned).toBe(0);
    const tun = four();
    tun.setProgram(() => 0x10006);
    tun.written(5, 0, 0);
    expect(tun.learned).toBe(0);
    expect(tun.select(5, 0)).toEqual({ queue: 2, reason: 'program' });
  });

  test('at most 4096 flows are learned', () => {
    const tun = four();
    for (let h = 1; h <= TUN_FLOWS_MAX + 10; h++) tun.written(h, 1, 0);
    expect(tun.learned).toBe(4096);
    expect(tun.select(TUN_FLOWS_MAX + 1, 0).reason).toBe('hash');
  });

  test('a write records the writer as the application, once the flow has sent', () => {
    const tun = four();
    const table = new SockFlowTable(64, 4);
    tun.written(0x101, 1, 0, { table, cpu: 2 });
    tun.written(0x101, 1, 0, { table, cpu: 2 });
    expect(table.wanted(0x101)).toBe(-1);
    tun.select(0x101, 1);
    tun.written(0x101, 1, 2, { table, cpu: 2 });
    expect(table.wanted(0x101)).toBe(2);
  });

  test('an unlearned flow is spread by rscale', () => {
    fc.assert(
      fc.property(fc.integer(), (h) => {
        expect(four().select(h, 0).queue).toBe(rscale(h, 4));
      }),
    );
  });

  test('the 257th queue is refused', () => {
    const tun = new TunQueues<number>();
    for (let q = 0; q < 256; q++) tun.attach(q);
    expect(() => tun.attach(256)).toThrow(/256 queues/);
  });
});
