// The running kernel as oracle for fanout, transmit queue choice and tun's automatic multi-queue.

import { describe, expect, test } from 'vitest';
import { formatMask } from '#rxsteer/linux/cpumask.js';
import { FanoutGroup, FanoutMode, type FanoutModeName } from '#rxsteer/linux/fanout.js';
import { onlineCpus, RpsQueue } from '#rxsteer/linux/rps.js';
import { RpsDevice, recordedRxQueue } from '#rxsteer/linux/rps-device.js';
import { RpsMap } from '#rxsteer/linux/rps-tables.js';
import { TunQueues } from '#rxsteer/linux/tun.js';
import { pickTxQueue, XpsMap } from '#rxsteer/linux/xps.js';
import { eth, ip4, udp } from '../linux/frames.js';
import { byFrame, cannotObserve, cpus, observe, type Step, toHex } from './kernel.js';

const reason = cannotObserve();
if (reason !== '') console.warn(`kernel tests of fanout, XPS and tun skipped: ${reason}`);

const flows = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    toHex(eth(0x0800, ip4('10.0.0.1', '10.0.0.2', 17, udp(1000 + i, 53)))),
  );

describe.skipIf(reason !== '')('fanout of the running kernel', () => {
  const { online } = cpus();
  const cases: [FanoutModeName, number][] = (
    ['hash', 'lb', 'cpu', 'qm', 'rollover', 'cbpf', 'ebpf'] as const
  ).flatMap((mode) => [3, 4].map((n): [FanoutModeName, number] => [mode, n]));

  test('every packet goes to the member that the model names, in every mode', async () => {
    const frames = flows(64);
    const sender = online.at(-1)!;
    const setUp: Step[] = [
      { do: 'veth', queues: 4 },
      // All packets leave through queue 2, which the receiver takes for a recorded receive queue plus 1.
      ...[0, 1, 2, 3].map((q) => ({
        do: 'write',
        path: `/sys/class/net/v0/queues/tx-${q}/xps_cpus`,
        text: q === 2 ? formatMask(online, cpus().possible) : '0',
      })),
    ];
    const steps = cases.flatMap(([mode, count]): Step[] => [
      { do: 'group', name: 'g', dev: 'v1', mode: FanoutMode[mode], count },
      { do: 'send', frames, cpu: sender, groups: ['g'] },
      { do: 'ungroup', name: 'g' },
    ]);
    const results = (await observe([...setUp, ...steps])).slice(setUp.length);
    cases.forEach(([mode, n], c) => {
      const seen = byFrame(results[3 * c + 1], 'g');
      expect(seen.size).toBe(frames.length);
      const group = new FanoutGroup<number>({ mode });
      for (let i = 0; i < n; i++) expect(group.join(i)).toBe('ok');
      for (let i = 0; i < frames.length; i++) {
        const { member, hash } = seen.get(i)!;
        const wanted = group.choose({ hash, cpu: sender, queueMapping: 2 });
        expect({ mode, n, i, member: wanted }).toEqual({ mode, n, i, member });
      }
    });
  });

  test('a member that leaves gives its index to the last one', async () => {
    const frames = flows(40);
    const results = await observe([
      { do: 'veth' },
      { do: 'group', name: 'g', dev: 'v1', mode: 0, count: 5 },
      { do: 'leave', name: 'g', member: 1 },
      { do: 'send', frames, cpu: online[0]!, groups: ['g'] },
    ]);
    const seen = byFrame(results.at(-1), 'g');
    const group = new FanoutGroup<number>({ mode: 'hash' });
    for (let i = 0; i < 5; i++) group.join(i);
    group.leave(1);
    expect(seen.size).toBe(frames.length);
    for (const [, { member, hash }] of seen)
      expect(group.members[group.choose({ hash, cpu: 0, queueMapping: 0 })]!.id).toBe(member);
  });
});

describe.skipIf(reason !== '')('transmit queue choice of the running kernel', () => {
  const { online, possible } = cpus();
  const QUEUES = 4;
  const QM = FanoutMode.qm;

  test('XPS lists in the order of configuration, else the hash', async () => {
    const frames = flows(48);
    const first = online[0]!;
    const last = online.at(-1)!;
    // Each write: queue and its CPUs. The order makes the lists of the first CPU [0, 1], then [3, 1], then [3, 1, 0].
    const writes: [number, number[]][] = [
      [0, [first]],
      [1, online],
      [2, []],
      [3, []],
      [2, last === first ? [] : [last]],
      [3, [first]],
      [0, []],
      [0, [first]],
      [1, []],
      [3, []],
      [0, []],
      [2, []],
    ];
    const map = new XpsMap(possible);
    const steps: Step[] = [
      { do: 'veth', queues: QUEUES },
      ...[0, 1, 2, 3].map((q) => ({
        do: 'write',
        path: `/sys/class/net/v0/queues/tx-${q}/xps_cpus`,
        text: '0',
      })),
      { do: 'group', name: 'q', dev: 'v1', mode: QM, count: QUEUES },
    ];
    const checks: { at: number; cpu: number; lists: XpsMap }[] = [];
    for (const [queue, members] of writes) {
      map.set(queue, members, { online });
      steps.push({
        do: 'write',
        path: `/sys/class/net/v0/queues/tx-${queue}/xps_cpus`,
        text: formatMask(members, possible),
      });
      for (const cpu of [first, last]) {
        checks.push({ at: steps.length, cpu, lists: copy(map) });
        steps.push({ do: 'send', frames, cpu, groups: ['q'] });
      }
    }
    const results = await observe(steps);
    const reasons = new Set<string>();
    for (const { at, cpu, lists } of checks) {
      const seen = byFrame(results[at], 'q');
      expect(seen.size).toBe(frames.length);
      for (const [frame, { member, hash }] of seen) {
        const picked = pickTxQueue({ realNumTxQueues: QUEUES, cpus: lists }, { hash, cpu });
        reasons.add(picked.reason);
        expect({ at, cpu, frame, queue: picked.queue }).toEqual({ at, cpu, frame, queue: member });
      }
    }
    expect([...reasons].sort()).toEqual(['hash', 'xps-cpus']);
  });

  function copy(map: XpsMap): XpsMap {
    const fresh = new XpsMap(possible);
    for (let cpu = 0; cpu < possible; cpu++)
      for (const queue of map.list(cpu)) fresh.set(queue, [...fresh.keysOf(queue), cpu]);
    return fresh;
  }

  test.skipIf(online.length < 2)(
    'a veth receiver takes the transmit queue for a recorded queue plus 1',
    async () => {
      const [here, there] = [online[0]!, online[1]!];
      const frame = flows(1);
      const steps: Step[] = [
        { do: 'veth', queues: QUEUES },
        ...[0, 1, 2, 3].map((q) => ({
          do: 'write',
          path: `/sys/class/net/v0/queues/tx-${q}/xps_cpus`,
          text: '0',
        })),
        { do: 'group', name: 'cpu', dev: 'v1', mode: FanoutMode.cpu, count: possible },
      ];
      const sends: { txq: number; rxq: number; at: number }[] = [];
      for (let txq = 0; txq < QUEUES; txq++) {
        for (let q = 0; q < QUEUES; q++)
          steps.push({
            do: 'write',
            path: `/sys/class/net/v0/queues/tx-${q}/xps_cpus`,
            text: formatMask(q === txq ? online : [], possible),
          });
        for (let rxq = 0; rxq < QUEUES; rxq++) {
          for (let q = 0; q < QUEUES; q++)
            steps.push({
              do: 'write',
              path: `/sys/class/net/v1/queues/rx-${q}/rps_cpus`,
              text: formatMask(q === rxq ? [there] : [], possible),
            });
          sends.push({ txq, rxq, at: steps.length });
          steps.push({ do: 'send', frames: frame, cpu: here, groups: ['cpu'] });
        }
      }
      const results = await observe(steps);
      const heads = new Int32Array(possible);
      for (const { txq, rxq, at } of sends) {
        const queues = Array.from(
          { length: QUEUES },
          (_, q) =>
            new RpsQueue({ ...(q === rxq && { map: new RpsMap([there]) }), online: onlineCpus(possible) }),
        );
        const seen = byFrame(results[at], 'cpu').get(0)!;
        const cpu = new RpsDevice(queues).steer(recordedRxQueue(txq), seen.hash | 0, heads);
        expect({ txq, rxq, cpu: cpu < 0 ? here : cpu }).toEqual({ txq, rxq, cpu: seen.member });
      }
    },
  );
});

describe.skipIf(reason !== '')('tun queues of the running kernel', () => {
  const QUEUES = 4;
  const FLOWS = 40;
  const names = Array.from({ length: FLOWS }, (_, i) => `f${i}`);
  const say: Step = { do: 'sock_send', names };
  const setUp: Step[] = [
    { do: 'tap', queues: QUEUES },
    { do: 'group', name: 'ring', dev: 'tap0', mode: FanoutMode.lb, count: 1 },
    ...names.map((name, i) => ({ do: 'udp', name, local: ['10.1.0.1', 6000 + i], remote: ['10.1.0.2', 9] })),
  ];
  /** The reverse packet of each flow, written to a queue. */
  const write = (queueOf: (i: number) => number): Step[] =>
    names.map((_, i) => ({
      do: 'tap_write',
      queue: queueOf(i),
      frame: toHex(eth(0x0800, ip4('10.1.0.2', '10.1.0.1', 17, udp(9, 6000 + i)))),
      group: 'ring',
    }));
  type Said = [Record<string, number>, number];
  type Written = [number, number];

  function model(): TunQueues<number> {
    const tun = new TunQueues<number>();
    for (let q = 0; q < QUEUES; q++) tun.attach(q);
    return tun;
  }

  test('first by hash, then as learned, then what a closed queue leaves', async () => {
    const steps = [...setUp];
    const at = (more: Step[]) => {
      steps.push(...more);
      return steps.length - more.length;
    };
    const first = at([say]);
    const writes = at(write((i) => i % QUEUES));
    const learned = at([say]);
    const rewrites = at(write((i) => (i + 1) % QUEUES));
    const moved = at([say]);
    at([{ do: 'tap_close', queue: 1 }]);
    const closed = at([say]);
    const results = await observe(steps);

    // The hash of an outgoing packet is its socket's own. The driver looks at the headers instead: the symmetric
    // hash, which the reverse packet shows.
    const hashes = names.map((_, i) => (results[writes + i] as Written)[0]);
    expect(new Set(hashes).size).toBe(FLOWS);
    const tun = model();
    const reasons: string[] = [];
    const check = (result: number) => {
      const [found, now] = results[result] as Said;
      const wrong: unknown[] = [];
      names.forEach((name, i) => {
        const { queue, reason: why } = tun.select(hashes[i]!, now);
        if (tun.queues[queue] !== found[name]) wrong.push({ name, found: found[name], queue, why });
        reasons.push(why);
      });
      expect(wrong).toEqual([]);
      return reasons.splice(0);
    };
    expect(new Set(check(first))).toEqual(new Set(['hash']));
    names.forEach((_, i) => void tun.written(hashes[i]!, i % QUEUES, (results[writes + i] as Written)[1]));
    expect(new Set(check(learned))).toEqual(new Set(['learned']));
    names.forEach(
      (_, i) => void tun.written(hashes[i]!, (i + 1) % QUEUES, (results[rewrites + i] as Written)[1]),
    );
    expect(new Set(check(moved))).toEqual(new Set(['learned']));
    tun.detach(1);
    expect(new Set(check(closed))).toEqual(new Set(['learned', 'capped']));
  });

  test('what was learned is forgotten after three seconds, at the next whole one', async () => {
    const steps = [...setUp];
    const writes = steps.length;
    steps.push(...write((i) => (i + 1) % QUEUES));
    const rounds: number[] = [];
    for (let i = 0; i < 13; i++) {
      rounds.push(steps.length);
      steps.push(say, { do: 'sleep', seconds: 0.5 });
    }
    const results = await observe(steps);
    const hashes = names.map((_, i) => (results[writes + i] as Written)[0]);
    const since = (results[writes + FLOWS - 1] as Written)[1];
    const until = (results[writes] as Written)[1];
    const seen = new Set<string>();
    for (const round of rounds) {
      const [found, now] = results[round] as Said;
      // The kernel's clock ticks and its timer's slack are unknown here: between the two bounds either may hold.
      const bounds = [until + 2900, since + 4500];
      names.forEach((name, i) => {
        const tun = model();
        tun.written(hashes[i]!, (i + 1) % QUEUES, 0);
        const fresh = tun.select(hashes[i]!, 0).queue;
        const stale = tun.select(hashes[i]!, 10_000).queue;
        const allowed = now < bounds[0]! ? [fresh] : now > bounds[1]! ? [stale] : [fresh, stale];
        expect(allowed, `${name} ${Math.round(now - since)} ms after it was written`).toContain(found[name]);
      });
      seen.add(now < bounds[0]! ? 'fresh' : now > bounds[1]! ? 'stale' : 'between');
    }
    expect(seen.has('fresh') && seen.has('stale')).toBe(true);
  });
});
