// Backlogs, IPIs, quotas and the flow limit, event by event.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Napi, Softnet } from '#rxsteer/linux/backlog.js';
import { FlowLimit } from '#rxsteer/linux/flow-limit.js';
import { onlineCpus, RpsQueue } from '#rxsteer/linux/rps.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '#rxsteer/linux/rps-tables.js';
import { linuxBehaviour, MODERN } from '#rxsteer/linux/version.js';

const fill = (net: Softnet<number>, n: number, producer = 0, target = 1) =>
  Array.from({ length: n }, (_, i) => net.enqueue(producer, target, i));

describe('enqueue', () => {
  test('max_backlog 2: three are accepted, the fourth dropped, one IPI in all', () => {
    const net = new Softnet<number>({ cpus: 2 });
    net.maxBacklog = 2;
    expect(fill(net, 4)).toEqual(['accepted', 'accepted', 'accepted', 'backlog']);
    expect(net.cpus[1]!.dropped).toBe(1);
    expect(net.cpus[0]!.dropped).toBe(0);
    expect(net.cpus[0]!.softirq).toBe(true);
    expect(net.cpus[0]!.ipiList).toEqual([1]);
    net.netRxAction(0);
    expect(net.cpus[0]!.ipisSent).toBe(1);
    expect(net.receiveIpi(1)).toBe(true);
    expect(net.receiveIpi(1)).toBe(false);
    // The target polls: while the three are in its process queue, three more are accepted without an IPI.
    let during: string[] = [];
    net.deliver = (packet) => {
      if (packet === 0 && during.length === 0) during = fill(net, 4);
    };
    net.netRxAction(1);
    expect(during).toEqual(['accepted', 'accepted', 'accepted', 'backlog']);
    expect(net.cpus[0]!.ipiList).toEqual([]);
    expect(net.rows()[1]).toMatchObject({ processed: 6, dropped: 2, receivedRps: 1, backlogLength: 0 });
    expect(net.cpus[1]!.tail).toBe(6);
    expect(net.cpus[1]!.head).toBe(6);
    expect(net.heads[1]).toBe(6);
  });

  test('max_backlog 0 still admits one packet at a time', () => {
    const net = new Softnet<number>({ cpus: 1 });
    net.maxBacklog = 0;
    expect(fill(net, 2, 0, 0)).toEqual(['accepted', 'backlog']);
    net.netRxAction(0);
    expect(fill(net, 1, 0, 0)).toEqual(['accepted']);
  });

  test('a device that is down drops without counting at the CPU', () => {
    const net = new Softnet<number>({ cpus: 1 });
    expect(net.enqueue(0, 0, 1, { running: false })).toBe('deviceDown');
    expect(net.rows()[0]).toMatchObject({ dropped: 0, backlogLength: 0 });
  });

  test('its own backlog raises the softirq without an IPI', () => {
    const net = new Softnet<number>({ cpus: 2 });
    fill(net, 1, 0, 0);
    expect(net.cpus[0]!.softirq).toBe(true);
    expect(net.cpus[0]!.ipiList).toEqual([]);
    expect(net.cpus[0]!.pollList).toHaveLength(1);
  });

  test('IPIs go to online CPUs only, the last one first', () => {
    const net = new Softnet<number>({ cpus: 4 });
    for (const target of [1, 2, 3]) fill(net, 1, 0, target);
    expect(net.cpus[0]!.ipiList).toEqual([1, 2, 3]);
    net.takeOffline(2);
    net.flushIpis(0);
    expect(net.cpus.map((c) => c.ipisPending)).toEqual([0, 1, 0, 1]);
    expect(net.rows().map((r) => r.cpu)).toEqual([0, 1, 3]);
  });

  test('backlog threads need no IPI', () => {
    const net = new Softnet<number>({ cpus: 2, backlogThreads: true });
    fill(net, 3);
    expect(net.cpus[0]!.ipiList).toEqual([]);
    net.netRxAction(1);
    expect(net.rows()[1]).toMatchObject({ processed: 3, receivedRps: 0 });
  });

  test('what the producer saw before the lock decides first, the exact length after', () => {
    const net = new Softnet<number>({ cpus: 1 });
    net.maxBacklog = 2;
    expect(net.enqueue(0, 0, 1, { seenLength: 3 })).toBe('backlog');
    fill(net, 3, 0, 0);
    expect(net.enqueue(0, 0, 1, { seenLength: 0 })).toBe('backlog');
    const locked = new Softnet<number>({ cpus: 1, behaviour: { flowLimitWhere: 'locked' } });
    locked.maxBacklog = 2;
    expect(locked.enqueue(0, 0, 1, { seenLength: 3 })).toBe('accepted');
  });

  test('the slot of the steering queue gets the tail; a dropped packet leaves it alone', () => {
    const net = new Softnet<number>({ cpus: 4 });
    net.maxBacklog = 0;
    const flows = new DevFlowTable(8);
    const sock = new SockFlowTable(8, 4);
    const rps = new RpsQueue({ map: new RpsMap([2]), flows, sock, online: onlineCpus(4) });
    sock.record(0x99, 1);
    expect(rps.steer(0x99, net.heads)).toBe(1);
    expect(net.enqueue(0, 1, 0, { rps })).toBe('accepted');
    const slot = rps.slot;
    expect(flows.slots[slot + 1]).toBe(1);
    rps.steer(0x99, net.heads);
    expect(net.enqueue(0, 1, 0, { rps })).toBe('backlog');
    expect(flows.slots[slot + 1]).toBe(1);
  });

  test('the first tail was the head plus the input queue: it forgets what is being processed', () => {
    const net = new Softnet<number>({ cpus: 1, behaviour: linuxBehaviour('2.6') });
    fill(net, 3, 0, 0);
    expect(net.lastTail).toBe(3);
    let tail = -1;
    net.deliver = (packet) => {
      if (packet === 0 && tail < 0) {
        fill(net, 1, 0, 0);
        tail = net.lastTail;
      }
    };
    net.netRxAction(0);
    // Three were taken, none had been counted as finished: 4 would be right.
    expect(tail).toBe(1);
  });
});

describe('polling', () => {
  test('150 packets at weight 64: 64, 64, 22, one poll per softirq run, no squeeze', () => {
    const net = new Softnet<number>({ cpus: 1 });
    fill(net, 150, 0, 0);
    const heads: number[] = [];
    for (let run = 0; run < 3; run++) {
      net.netRxAction(0);
      heads.push(net.heads[0]!);
      expect(net.cpus[0]!.scheduled).toBe(run < 2);
      expect(net.cpus[0]!.softirq).toBe(run < 2);
    }
    expect(heads).toEqual([64, 128, 150]);
    expect(net.cpus[0]!.timeSqueeze).toBe(0);
  });

  test('the head moves once a poll, or with every packet before 6.10', () => {
    const during = (headCounter: 'poll' | 'packet') => {
      const net = new Softnet<number>({ cpus: 1, behaviour: { headCounter } });
      fill(net, 3, 0, 0);
      const seen: number[] = [];
      net.deliver = () => void seen.push(net.heads[0]!);
      net.netRxAction(0);
      expect(net.heads[0]).toBe(3);
      return seen;
    };
    expect(during('poll')).toEqual([0, 0, 0]);
    expect(during('packet')).toEqual([0, 1, 2]);
  });

  test('a new weight counts from the poll after the next one', () => {
    const net = new Softnet<number>({ cpus: 1 });
    fill(net, 200, 0, 0);
    net.rxWeight = 10;
    const heads = Array.from({ length: 3 }, () => {
      net.netRxAction(0);
      return net.heads[0]!;
    });
    expect(heads).toEqual([64, 74, 84]);
  });

  /** A driver's queue with endless work. */
  const busy = (log: string[], name: string): Napi => ({
    weight: 64,
    poll: (quota) => {
      log.push(name);
      return quota;
    },
  });

  test('two busy queues, budget 100: 64, 64, squeeze, both listed again', () => {
    const net = new Softnet<number>({ cpus: 1 });
    const log: string[] = [];
    net.budget = 100;
    net.napiSchedule(0, busy(log, 'a'));
    net.napiSchedule(0, busy(log, 'b'));
    net.netRxAction(0);
    expect(log).toEqual(['a', 'b']);
    expect(net.cpus[0]!.timeSqueeze).toBe(1);
    expect(net.cpus[0]!.pollList).toHaveLength(2);
    expect(net.cpus[0]!.softirq).toBe(true);
  });

  test('budget 64: squeeze after the first poll, the next run starts with the second queue', () => {
    const net = new Softnet<number>({ cpus: 1 });
    const log: string[] = [];
    net.budget = 64;
    net.napiSchedule(0, busy(log, 'a'));
    net.napiSchedule(0, busy(log, 'b'));
    net.netRxAction(0);
    net.netRxAction(0);
    expect(log).toEqual(['a', 'b']);
    expect(net.cpus[0]!.timeSqueeze).toBe(2);
  });

  test('the time limit squeezes too', () => {
    const net = new Softnet<number>({ cpus: 1 });
    const log: string[] = [];
    let us = 0;
    net.napiSchedule(0, busy(log, 'a'));
    net.napiSchedule(0, busy(log, 'b'));
    net.netRxAction(0, () => (us += 8000));
    expect(log).toEqual(['a']);
    expect(net.cpus[0]!.timeSqueeze).toBe(1);
  });

  test('what is scheduled during the run is polled in it when nothing else is left, else before the repolled', () => {
    const net = new Softnet<number>({ cpus: 1 });
    const log: string[] = [];
    const late: Napi = {
      weight: 64,
      poll: () => {
        log.push('late');
        return 0;
      },
    };
    net.napiSchedule(0, {
      weight: 64,
      poll: () => {
        log.push('done');
        net.napiSchedule(0, late);
        return 1;
      },
    });
    net.netRxAction(0);
    expect(log).toEqual(['done', 'late']);
    log.length = 0;
    const a = busy(log, 'a');
    net.napiSchedule(0, {
      weight: 64,
      poll: (quota) => {
        net.napiSchedule(0, late);
        return a.poll(quota);
      },
    });
    net.netRxAction(0);
    expect(net.cpus[0]!.pollList[0]).toBe(late);
    expect(net.cpus[0]!.pollList).toHaveLength(2);
  });
});

describe('removal', () => {
  test('a device that goes away takes its packets, each counted as finished', () => {
    const net = new Softnet<number>({ cpus: 1 });
    fill(net, 6, 0, 0);
    expect(net.flushDevice(0, (p) => p % 2 === 0)).toBe(3);
    expect(net.heads[0]).toBe(3);
    const seen: number[] = [];
    net.deliver = (p) => void seen.push(p);
    net.netRxAction(0);
    expect(seen).toEqual([1, 3, 5]);
    expect(net.heads[0]).toBe(6);
  });

  test('an offline CPU gives back what it was processing first, then its input', () => {
    const net = new Softnet<number>({ cpus: 2 });
    fill(net, 70, 1, 1);
    net.netRxAction(1);
    net.enqueue(1, 1, 100);
    const back = net.takeOffline(1);
    expect(back).toEqual([64, 65, 66, 67, 68, 69, 100]);
    expect(net.heads[1]).toBe(71);
    expect(net.cpus[1]!.tail).toBe(71);
  });
});

describe('flow limit', () => {
  const hashFor = (limit: FlowLimit, bucket: number) => {
    for (let h = 1; ; h++) if (limit.bucketOf(h) === bucket) return h;
  };

  test('one flow is dropped from call 65 on', () => {
    const limit = new FlowLimit();
    const h = hashFor(limit, 7);
    const results = Array.from({ length: 300 }, () => limit.refuses(h, 500, 1000));
    expect(results.indexOf(true)).toBe(64);
    expect(results.slice(64).every(Boolean)).toBe(true);
    expect(limit.count).toBe(236);
  });

  test('two flows in turn are never dropped; three to one: the heavy one from call 86 on', () => {
    const limit = new FlowLimit();
    const [a, b] = [hashFor(limit, 7), hashFor(limit, 9)];
    for (let i = 0; i < 1000; i++) expect(limit.refuses(i % 2 === 0 ? a : b, 500, 1000)).toBe(false);
    const ratio = new FlowLimit();
    const results = Array.from({ length: 400 }, (_, i) => ratio.refuses(i % 4 === 3 ? b : a, 500, 1000));
    expect(results.indexOf(true) + 1).toBe(86);
  });

  test('a lone flow in bucket 0 is never limited', () => {
    const limit = new FlowLimit();
    const h = hashFor(limit, 0);
    for (let i = 0; i < 1000; i++) expect(limit.refuses(h, 500, 1000)).toBe(false);
  });

  test('below half of the queue nothing is remembered', () => {
    const limit = new FlowLimit();
    const h = hashFor(limit, 7);
    for (let i = 0; i < 1000; i++) expect(limit.refuses(h, 499, 1000)).toBe(false);
    expect(limit.buckets[7]).toBe(0);
  });

  test('low bits choose the bucket before 6.16', () => {
    expect(new FlowLimit({ bucket: 'mask' }).bucketOf(0x12345)).toBe(0x345);
    expect(new FlowLimit({ bucket: 'hash32' }).bucketOf(0x12345678)).toBe(1912);
  });

  test('with a history of 256 the bucket of a lone flow wraps before it is limited for long', () => {
    const limit = new FlowLimit({ history: 256 });
    const h = hashFor(limit, 7);
    const results = Array.from({ length: 256 }, () => limit.refuses(h, 500, 1000));
    expect(results.indexOf(true)).toBe(128);
    // Call 256 takes the bucket from 255 to 0: the flow looks new.
    expect(results[254]).toBe(true);
    expect(results[255]).toBe(false);
  });

  test('refusals count at the producer, the drop at the target', () => {
    const net = new Softnet<number>({ cpus: 2 });
    net.setFlowLimit(0, 4096);
    net.maxBacklog = 1;
    for (let i = 0; i < 70; i++) {
      net.enqueue(0, 1, i, { hash: 0x1234 });
      net.netRxAction(0);
      net.receiveIpi(1);
      net.netRxAction(1);
    }
    expect(net.rows()[0]).toMatchObject({ flowLimitCount: 6, dropped: 0 });
    expect(net.rows()[1]).toMatchObject({ flowLimitCount: 0, dropped: 6 });
    net.setFlowLimit(0, null);
    expect(net.rows()[0]!.flowLimitCount).toBe(0);
  });

  test('sizes that are no powers of two are refused', () => {
    expect(() => new FlowLimit({ buckets: 1000 })).toThrow(/1000: a power of two/);
    expect(() => new Softnet({ cpus: 0 })).toThrow(/at least 1/);
  });
});

describe('laws', () => {
  test('accepted = finished + waiting, and an idle machine has head = tail everywhere', () => {
    const op = fc.record({
      kind: fc.nat(3),
      cpu: fc.nat(2),
      target: fc.nat(2),
      n: fc.integer({ min: 1, max: 90 }),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 50 }), fc.constantFrom('poll', 'packet'), (ops, headCounter) => {
        const net = new Softnet<number>({ cpus: 3, behaviour: { headCounter } });
        net.maxBacklog = 40;
        let delivered = 0;
        let accepted = 0;
        net.deliver = () => void delivered++;
        for (const { kind, cpu, target, n } of ops) {
          if (kind <= 1) accepted += fill(net, n, cpu, target).filter((r) => r === 'accepted').length;
          else if (kind === 2) net.netRxAction(cpu);
          else net.receiveIpi(cpu);
          const waiting = net.rows().reduce((sum, r) => sum + r.backlogLength!, 0);
          expect(delivered + waiting).toBe(accepted);
          for (const c of net.cpus) expect((c.tail - c.head) | 0).toBe(c.input.length + c.process.length);
        }
        // Run dry: nothing may be forgotten.
        for (let i = 0; i < 40; i++)
          for (const c of net.cpus) {
            net.receiveIpi(c.cpu);
            if (c.softirq) net.netRxAction(c.cpu);
          }
        expect(delivered).toBe(accepted);
        for (const c of net.cpus) expect([c.head, c.scheduled, c.softirq]).toEqual([c.tail, false, false]);
      }),
    );
  });
});

test('named releases', () => {
  expect(linuxBehaviour('7.1')).toEqual(MODERN);
  expect(linuxBehaviour('6.19')).toEqual({ ...MODERN, flowCntLimit: 'u32' });
  expect(linuxBehaviour('6.18.44-fc')).toEqual({ ...MODERN, flowCntLimit: 'u32', flowLimitWhere: 'locked' });
  expect(linuxBehaviour('6.1')).toMatchObject({
    flowSlot: 'mask',
    flowLimitBucket: 'mask',
    arfsWindow: 'size-1',
    deleteAtUnhash: false,
    headCounter: 'packet',
    canonical: 'signed',
    sockEntry: 'tag',
  });
  expect(linuxBehaviour('3.10')).toMatchObject({
    sockEntry: 'cpu',
    deleteAtUnhash: true,
    singleCpuShortcut: true,
  });
  expect(() => linuxBehaviour('new')).toThrow(/for example 6.18/);
});
