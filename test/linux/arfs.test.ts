// Accelerated RFS: who gets the slot, when filters are programmed, when they expire; the CPU reverse map.

import { describe, expect, test } from 'vitest';
import { type AcceleratedDevice, AcceleratedRpsQueue, flowIsActive, mayExpire } from '#rxsteer/linux/arfs.js';
import { CpuReverseMap, RMAP_FAR } from '#rxsteer/linux/cpu-rmap.js';
import { onlineCpus } from '#rxsteer/linux/rps.js';
import { DevFlowTable, FLOW_SLOT_WORDS, FlowSlot, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import type { LinuxBehaviour } from '#rxsteer/linux/version.js';

const flat = (cpus: number) => ({
  core: Array.from({ length: cpus }, (_, i) => i),
  package: new Array<number>(cpus).fill(0),
  node: new Array<number>(cpus).fill(0),
});

/** Four CPUs, four queues, queue q on CPU q; queues have flow tables of the given sizes. */
function device(sizes: readonly number[], behaviour: Partial<LinuxBehaviour> = {}) {
  const rmap = new CpuReverseMap(4, flat(4));
  for (let q = 0; q < 4; q++) rmap.update(q, [q]);
  const calls: { queue: number; flowId: number }[] = [];
  const queues: AcceleratedRpsQueue[] = [];
  const shared: AcceleratedDevice & { answer: number } = {
    queues,
    rmap,
    ntuple: true,
    answer: 5,
    driver: {
      steer: (queue, flowId) => {
        calls.push({ queue, flowId });
        return shared.answer;
      },
    },
  };
  const sock = new SockFlowTable(64, 4);
  const online = onlineCpus(4);
  for (const [q, size] of sizes.entries())
    queues.push(
      new AcceleratedRpsQueue(
        shared,
        q,
        { ...(size > 0 && { flows: new DevFlowTable(size) }), sock, online },
        behaviour,
      ),
    );
  const heads = new Int32Array(4);
  const tails = new Int32Array(4);
  const packet = (queue: number, hash: number) => {
    const cpu = queues[queue]!.steer(hash, heads);
    if (cpu >= 0) queues[queue]!.enqueued(++tails[cpu]!);
    return cpu;
  };
  const slot = (queue: number, hash: number) => {
    const table = queues[queue]!.flows!;
    const o = table.slotOf(hash) * FLOW_SLOT_WORDS;
    const [cpu, lastQueueTail, filter, h] = table.slots.subarray(o, o + 4);
    return { cpu, lastQueueTail, filter, hash: h };
  };
  return { shared, queues, sock, heads, tails, packet, slot, calls };
}

describe('moving a flow', () => {
  const h = 0x1234567;

  test('the other queue gets the filter and the slot; the arriving queue keeps its old one', () => {
    const d = device([8, 8, 8, 8]);
    d.sock.record(h, 2);
    expect(d.packet(0, h)).toBe(2);
    expect(d.calls).toEqual([{ queue: 2, flowId: d.queues[2]!.flows!.slotOf(h) }]);
    expect(d.slot(2, h)).toEqual({ cpu: 2, lastQueueTail: 1, filter: 5, hash: h });
    expect(d.slot(0, h)).toMatchObject({ cpu: 0xffff, filter: 0xffff });
  });

  test('a packet that still arrives on the old queue does not program again, and updates the old slot', () => {
    const d = device([8, 8, 8, 8]);
    d.sock.record(h, 2);
    d.packet(0, h);
    expect(d.packet(0, h)).toBe(2);
    expect(d.calls).toHaveLength(1);
    expect(d.slot(0, h)).toMatchObject({ cpu: 2, lastQueueTail: 2 });
    // Then, as known on the old queue, it stays there.
    expect(d.packet(0, h)).toBe(2);
    expect(d.calls).toHaveLength(1);
  });

  test('before 6.18 every such packet programs again', () => {
    const d = device([8, 8, 8, 8], { arfsSlotProtection: false });
    d.sock.record(h, 2);
    for (let i = 0; i < 3; i++) expect(d.packet(0, h)).toBe(2);
    expect(d.calls).toHaveLength(3);
  });

  test('an active flow in the same slot is not driven out; a stale one is', () => {
    const d = device([8, 8, 8, 8]);
    const table = d.queues[2]!.flows!;
    let other = h + 1;
    while (table.slotOf(other) !== table.slotOf(h) || (other & 63) === (h & 63)) other++;
    d.sock.record(h, 2);
    d.sock.record(other, 2);
    d.packet(0, h);
    expect(d.packet(1, other)).toBe(2);
    expect(d.calls).toHaveLength(1);
    expect(d.slot(2, h).hash).toBe(h);
    // 80 packets later the first flow's filter is stale.
    d.heads[2] = 81;
    const third = { ...d.slot(1, other) };
    expect(third.cpu).toBe(2);
    d.sock.record(other, 3);
    expect(d.packet(1, other)).toBe(3);
    d.sock.record(other, 2);
    d.heads[3] = d.tails[3]!;
    expect(d.packet(3, other)).toBe(2);
    expect(d.calls.filter((c) => c.queue === 2)).toHaveLength(2);
    expect(d.slot(2, other).hash).toBe(other);
  });

  test('when the hardware refuses, the packet is still steered, by its own queue', () => {
    const d = device([8, 8, 8, 8]);
    d.shared.answer = -16;
    d.sock.record(h, 2);
    expect(d.packet(0, h)).toBe(2);
    expect(d.slot(0, h)).toMatchObject({ cpu: 2, lastQueueTail: 1, filter: 0xffff });
    expect(d.slot(2, h)).toMatchObject({ cpu: 0xffff, filter: 0xffff });
  });

  test('the number of the slot comes from the target table', () => {
    const d = device([8, 8, 1024, 8]);
    d.sock.record(h, 2);
    d.packet(0, h);
    expect(d.calls[0]!.flowId).toBe(d.queues[2]!.flows!.slotOf(h));
    expect(d.calls[0]!.flowId).toBeGreaterThan(7);
  });

  test('a filter that the driver uses again is no longer the old slot’s', () => {
    const d = device([8, 8, 8, 8]);
    d.sock.record(h, 2);
    d.packet(0, h);
    d.sock.record(h, 3);
    d.heads[2] = d.tails[2]!;
    // Now it arrives on queue 2, whose slot holds filter 5.
    expect(d.packet(2, h)).toBe(3);
    expect(d.slot(2, h)).toMatchObject({ cpu: 2, filter: 0xffff });
    expect(d.slot(3, h)).toMatchObject({ cpu: 3, filter: 5 });
  });

  test.each([
    ['ntuple is off', false, [8, 8, 8, 8], 2],
    ['the target queue has no flow table', true, [8, 8, 0, 8], 2],
    ['the CPU is the arriving queue’s', true, [8, 8, 8, 8], 0],
  ] as const)('nothing is programmed when %s', (_name, ntuple, sizes, cpu) => {
    const d = device(sizes);
    d.shared.ntuple = ntuple;
    d.sock.record(h, cpu);
    expect(d.packet(0, h)).toBe(cpu);
    expect(d.calls).toEqual([]);
    expect(d.slot(0, h)).toMatchObject({ cpu, lastQueueTail: 1 });
  });
});

describe('expiry', () => {
  function table(window: 'size' | 'size-1' = 'size') {
    const flows = new DevFlowTable(256);
    flows.slots.set([1, 100, 7, 0x55], 3 * FLOW_SLOT_WORDS);
    const active = (distance: number) =>
      flowIsActive(flows, 3 * FLOW_SLOT_WORDS, Int32Array.of(0, 100 + distance), window);
    return { flows, active };
  }

  test('256 slots: active at a distance of 2559, not at 2560 (2549 and 2550 before 6.15)', () => {
    const modern = table();
    expect([modern.active(2559), modern.active(2560)]).toEqual([true, false]);
    const legacy = table('size-1');
    expect([legacy.active(2549), legacy.active(2550)]).toEqual([true, false]);
  });

  test('a filter is kept only while its slot still has it and is active', () => {
    const { flows } = table();
    const heads = Int32Array.of(0, 100);
    expect(mayExpire(flows, 3, 7, heads)).toBe(false);
    expect(mayExpire(flows, 3, 8, heads)).toBe(true);
    expect(mayExpire(flows, 256, 7, heads)).toBe(true);
    expect(mayExpire(undefined, 3, 7, heads)).toBe(true);
    expect(mayExpire(flows, 3, 7, Int32Array.of(0, 2660))).toBe(true);
    flows.slots[3 * FLOW_SLOT_WORDS + FlowSlot.cpu] = 0xffff;
    expect(mayExpire(flows, 3, 7, heads)).toBe(true);
  });

  test('on an idle machine nothing expires', () => {
    const { flows } = table();
    expect(mayExpire(flows, 3, 7, Int32Array.of(0, 99))).toBe(false);
  });
});

describe('CPU reverse map', () => {
  // Two nodes of four CPUs; cores are pairs (0,1), (2,3), ...
  const topology = {
    core: [0, 0, 1, 1, 2, 2, 3, 3],
    package: [0, 0, 0, 0, 1, 1, 1, 1],
    node: [0, 0, 0, 0, 1, 1, 1, 1],
  };
  const state = (map: CpuReverseMap) => Array.from({ length: 8 }, (_, c) => [map.index(c), map.distance(c)]);

  test('at first CPU modulo objects, infinitely far', () => {
    const map = new CpuReverseMap(3, topology);
    expect(state(map)).toEqual([0, 1, 2, 0, 1, 2, 0, 1].map((o) => [o, RMAP_FAR]));
  });

  test('siblings are nearer than the package; other nodes keep what they had', () => {
    const map = new CpuReverseMap(2, topology);
    map.update(0, [0]);
    map.update(1, [2]);
    expect(state(map)).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [0, RMAP_FAR],
      [1, RMAP_FAR],
      [0, RMAP_FAR],
      [1, RMAP_FAR],
    ]);
  });

  test('the package comes before the node, the lowest CPU first', () => {
    const map = new CpuReverseMap(2, { core: [0, 1, 2, 3], package: [0, 0, 1, 1], node: [0, 0, 0, 0] });
    map.update(1, [1]);
    expect([0, 1, 2, 3].map((c) => [map.index(c), map.distance(c)])).toEqual([
      [1, 2],
      [1, 0],
      [1, 3],
      [1, 3],
    ]);
  });

  test('an interrupt that moves leaves its old CPUs to what is near them', () => {
    const map = new CpuReverseMap(2, topology);
    map.update(0, [0]);
    map.update(1, [2]);
    map.update(0, [4]);
    expect(state(map).slice(0, 6)).toEqual([
      [1, 2],
      [1, 2],
      [1, 0],
      [1, 1],
      [0, 0],
      [0, 1],
    ]);
  });

  test('impossible maps are refused', () => {
    expect(() => new CpuReverseMap(0, topology)).toThrow(/at least 1/);
    expect(() => new CpuReverseMap(1, { ...topology, node: [0] })).toThrow(/one number per CPU/);
  });
});
