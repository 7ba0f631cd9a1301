/** What chooses inside a pool: filters and flow rules, RSS with limits or tables of its own, traffic classes. */
import { describe, expect, it } from 'vitest';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { ethernet, icmp, ipv4, TcpFlag, tcp, udp } from '#rxsteer/packet/build.js';
import { policy, steer } from './support.js';

const guest = '52:54:00:00:00:03';
const v4 = { src: '10.0.0.1', dst: '10.1.0.1' };
type Tag = number | { id: number; priority: number };
const segment = (n: number, flags: number = TcpFlag.ack, vlans: Tag[] = []) =>
  ethernet({ dst: guest, vlans }, ipv4(v4, tcp({ sport: 1000 + n * n, dport: 80, flags })));
const segments = Array.from({ length: 60 }, (_, n) => segment(n));
const pools = (given: object) => policy({ policy: 'pools', macs: { [guest]: 5 }, ...given }, { workers: 4 });
const queues = (given: object, list: Uint8Array[]) =>
  Array.from(steer(pools(given), list).rxq.subarray(0, list.length));
const distinct = (list: number[]) => [...new Set(list)].toSorted((a, b) => a - b);
const why = (given: object, frame: Uint8Array) => {
  const steering = pools(given);
  return steering.explain(steer(steering, [frame]), 0);
};

describe('filters inside a pool', () => {
  const nic = 'ixgbe-82599';

  it('ethertype, SYN and five-tuple name an index of the pool', () => {
    const filters = {
      ethertypes: [{ ethertype: 0x88cc, queue: 3 }],
      syn: { queue: 2, priority: 'high' },
      tuples: [{ protocol: 17, dport: 53, queue: 1 }],
    };
    const frames = [
      ethernet({ dst: guest, ethertype: 0x88cc }, 'lldp'),
      segment(1, TcpFlag.syn),
      ethernet({ dst: guest }, ipv4(v4, udp({ sport: 9, dport: 53 }))),
    ];
    expect(queues({ nic, filters }, frames)).toEqual([23, 22, 21]);
    expect(
      queues({ nic: 'igb-82576', filters: { ethertypes: [{ ethertype: 0x88cc, queue: 1 }] } }, frames)[0],
    ).toBe(13);
    expect(why({ nic, filters }, frames[1]!)).toBe(
      'an address filter has 52:54:00:00:00:03 -> pool 5; the SYN filter matches -> index 2; queue 5 * 4 + 2 = 22',
    );
  });

  it('a tuple filter with a pool is for that pool only', () => {
    const tuple = (pool: number) => ({ tuples: [{ dport: 80, pool, queue: 3 }] });
    expect(distinct(queues({ nic, filters: tuple(5) }, segments))).toEqual([23]);
    expect(distinct(queues({ nic, filters: tuple(6) }, segments))).toEqual([20, 21, 22, 23]);
  });

  it('flow rules choose, and drop', () => {
    const rules = ['flow-type udp4 dst-port 53 action 1', 'flow-type tcp4 dst-port 80 action -1'];
    const dns = ethernet({ dst: guest }, ipv4(v4, udp({ sport: 9, dport: 53 })));
    expect(queues({ nic, rules }, [dns])).toEqual([21]);
    expect(why({ nic, rules: [rules[1]] }, segment(1))).toContain('dropped (queue 127) (here: queue 0)');
  });

  it.each([
    [
      { filters: { ethertypes: [{ ethertype: 0x88cc, queue: 4 }] } },
      'policy pools: ethertype filter: queue 4: there are queues 0 to 3',
    ],
    [
      { filters: { tuples: [{ dport: 1, pool: 32, queue: 0 }] } },
      'policy pools: filters.tuples[0]: pool 32: there are pools 0 to 31',
    ],
    [{ rules: ['flow-type tcp4 dst-port 80 action 4'] }, 'policy pools: rules[0]: '],
    [{ contexts: [{ equal: 2 }] }, 'unknown key of policy pools "contexts"'],
  ])('%j is refused', (given, message) => {
    expect(() => pools({ nic, ...given })).toThrow(message);
  });

  it('the rss policy has no pools for a filter to name', () => {
    const given = { policy: 'rss', nic, queues: 4, filters: { tuples: [{ dport: 1, pool: 1, queue: 0 }] } };
    expect(() => policy(given)).toThrow('filters.tuples[0]: pool 1: this policy has no pools');
  });
});

describe('RSS inside a pool', () => {
  it.each([
    [1, [20]],
    [2, [20, 21]],
    [4, [20, 21, 22, 23]],
  ])('82599: a pool with %i queues uses the low bits of the index', (count, expected) => {
    const given = { nic: 'ixgbe-82599', key: 'microsoft', rssQueues: { 5: count } };
    const free = queues({ ...given, rssQueues: {} }, segments);
    expect(distinct(queues(given, segments))).toEqual(expected);
    expect(queues(given, segments)).toEqual(free.map((queue) => 20 + ((queue - 20) & (count - 1))));
    expect(distinct(queues({ ...given, rssQueues: { 6: 1 } }, segments))).toEqual([20, 21, 22, 23]);
  });

  it('the explanation shows the limit', () => {
    const given = { nic: 'ixgbe-82599', key: 'microsoft', rssQueues: { 5: 2 } };
    const cut = segments.map((frame) => why(given, frame)).filter((text) => text.includes('of which'));
    expect(cut.length).toBeGreaterThan(5);
    for (const text of cut)
      expect(text).toMatch(/-> index [23], of which the pool takes [01]; queue 5 \* 4 \+ [01] = 2[01]$/);
  });

  it("the shared table has the driver's fill over the queues of a pool: blocks on igb, i mod n on ixgbe", () => {
    for (const [nic, fill] of [
      ['igb-82576', (bucket: number) => Math.floor((bucket * 2) / 128)],
      ['ixgbe-82599', (bucket: number) => bucket % 4],
    ] as const) {
      const steering = pools({ nic, key: 'microsoft' });
      const burst = steer(steering, segments);
      segments.forEach((_, i) => {
        const index = fill((burst.hash[i]! >>> 0) & 127);
        expect(burst.rxq[i]).toBe(nic === 'igb-82576' ? 5 + 8 * index : 20 + index);
      });
    }
  });

  it('X540 has the pools of the 82599, with its table and key', () => {
    const given = { key: 'microsoft', layout: '32x4' };
    expect(queues({ ...given, nic: 'ixgbe-x540' }, segments)).toEqual(
      queues({ ...given, nic: 'ixgbe-82599' }, segments),
    );
  });

  it('X550: every pool has 64 entries and a key of its own', () => {
    const key = 'a5'.repeat(20) + '3c'.repeat(20);
    const given = {
      nic: 'ixgbe-x550',
      layout: '64x2',
      poolKeys: { 5: key },
      poolTables: { 5: { weight: [1, 3] } },
    };
    const table = Array.from({ length: 64 }, (_, i) => (i < 16 ? 0 : 1));
    const expected = segments.map((frame) => {
      const hash = toeplitzBitwise(Buffer.from(key, 'hex'), frame.slice(26, 38)) >>> 0;
      return 5 * 2 + table[hash % 64]!;
    });
    expect(queues(given, segments)).toEqual(expected);
    // The first frame's addresses: another pool hashes with another key.
    const nic = 'ixgbe-x550';
    const inputs = [4, 5].map((pool) => {
      const steering = pools({ nic, macs: { [guest]: pool } });
      return steering.decision(steer(steering, [segments[0]!]), 0).hash!;
    });
    expect(inputs[0]!.input).toBe(inputs[1]!.input);
    expect(inputs[0]!.key).not.toBe(inputs[1]!.key);
    const shared = [4, 5].map((pool) => {
      const steering = pools({ nic, key: 'microsoft', macs: { [guest]: pool } });
      return steering.decision(steer(steering, [segments[0]!]), 0).hash!.key;
    });
    expect(shared[0]).toBe(shared[1]);
  });

  it.each([
    [
      { nic: 'igb-82576', rssQueues: { 1: 1 } },
      'policy pools: rssQueues: igb-82576 has no queue count for each pool',
    ],
    [{ nic: 'ixgbe-x550', rssQueues: { 1: 1 } }, 'rssQueues: ixgbe-x550 has no queue count'],
    [{ rssQueues: { 1: 3 } }, 'policy pools: rssQueues: pool 1: 3 queues: 1, 2, 4 are permitted'],
    [{ layout: '64x2', rssQueues: { 1: 4 } }, 'pool 1: 4 queues: 1, 2 are permitted'],
    [{ rssQueues: { 32: 1 } }, 'pool 32: there are pools 0 to 31'],
    [{ poolKeys: { 1: 'microsoft' } }, 'poolKeys: all pools of ixgbe-82599 share one key and table'],
    [{ poolTables: { 1: { equal: 2 } } }, 'poolTables: all pools of ixgbe-82599 share'],
    [{ nic: 'ixgbe-x550', poolTables: { 1: { equal: 5 } } }, 'poolTables: 1: equal: queues 0 to 4 are named'],
    [
      { nic: 'ixgbe-x550', poolTables: { 1: { entries: [0, 1] } } },
      'poolTables: 1: 2 entries given: the table has 64',
    ],
    [
      { nic: 'ixgbe-x550', poolTables: { 1: { equal: 2, weight: [1] } } },
      'one of equal, weight, entries is enough',
    ],
    [{ nic: 'ixgbe-x550', poolTables: { 1: { start: 2 } } }, 'start goes with equal or weight'],
    [{ nic: 'ixgbe-x550', poolTables: { 77: { equal: 2 } } }, 'poolTables: pool 77: there are pools 0 to 31'],
    [
      { nic: 'ixgbe-x550', poolKeys: { 1: '00' } },
      'policy pools: poolKeys: 1: the key has 1 bytes; permitted: 40',
    ],
    [{ nic: 'ixgbe-x550', layout: '16x8tc' }, 'layout=16x8tc: ixgbe-x550 with RSS has 64x2, 32x4'],
  ])('%j is refused', (given, message) => {
    expect(() => pools({ nic: 'ixgbe-82599', ...given })).toThrow(message);
  });
});

describe('traffic classes inside a pool', () => {
  const nic = 'ixgbe-82599';
  const tagged = Array.from({ length: 8 }, (_, priority) => segment(1, TcpFlag.ack, [{ id: 0, priority }]));

  it.each([
    ['16x8tc', [40, 41, 42, 43, 44, 45, 46, 47]],
    ['32x4tc', [20, 21, 22, 23, 20, 21, 22, 23]],
  ])('%s: the VLAN priority chooses, whatever the hash', (layout, expected) => {
    expect(queues({ nic, layout }, tagged)).toEqual(expected);
    expect(distinct(queues({ nic, layout }, segments))).toEqual([expected[0]]);
    expect(pools({ nic, layout }).queues).toBe(128);
  });

  it('by a map of priorities, and in words', () => {
    const given = { nic, layout: '32x4tc', classes: '0+0+0+0+1+1+2+3' };
    expect(queues(given, tagged)).toEqual([20, 20, 20, 20, 21, 21, 22, 23]);
    expect(why(given, tagged[6]!)).toContain(
      '-> pool 5; priority 6 is traffic class 2, index 2; queue 5 * 4 + 2 = 22',
    );
    expect(why(given, segment(1))).toContain('untagged, priority 0 is traffic class 0, index 0');
  });

  it('filters come before classes', () => {
    const filters = { syn: { queue: 3 } };
    expect(queues({ nic, layout: '32x4tc', filters }, [segment(1, TcpFlag.syn)])).toEqual([23]);
  });

  it.each([
    [{ classes: '0-3' }, 'policy pools: traffic classes: layout 32x4 has none'],
    [{ layout: '32x4tc', classes: '0-3' }, 'traffic classes: 4 of them: one for each of 8 VLAN priorities'],
    [{ layout: '32x4tc', classes: '0-7' }, 'traffic classes: class 4: there are classes 0 to 3'],
    [{ layout: '32x4tc', rssQueues: { 1: 1 } }, 'pool 1: layout 32x4tc has no RSS to limit'],
  ])('%j is refused', (given, message) => {
    expect(() => pools({ nic, ...given })).toThrow(message);
  });
});

describe('pools without RSS', () => {
  it.each([
    ['igb-82576', '8x1', 5, 16],
    ['igb-i350', '8x1', 5, 8],
    ['ixgbe-82599', '64x1', 10, 128],
  ])('%s %s: every frame to the first queue of its pool', (nic, layout, queue, count) => {
    expect(distinct(queues({ nic, layout }, segments))).toEqual([queue]);
    expect(pools({ nic, layout }).queues).toBe(count);
    const echo = ethernet({ dst: guest }, ipv4(v4, icmp({ type: 8 })));
    expect(why({ nic, layout }, echo)).toContain('no RSS in this pool, index 0');
  });
});
