import { describe, expect, it } from 'vitest';
import { parseMac } from '#rxsteer/mac/address.js';
import { poolMask } from '#rxsteer/nic/pool-filters.js';
import { layoutForFunctions, mrqcFor, poolMode } from '#rxsteer/nic/pool-modes.js';
import { PoolSwitch } from '#rxsteer/nic/pools.js';
import { ethernet, TcpFlag } from '#rxsteer/packet/build.js';
import { addRule, burstOf, model, segment } from './support.js';

describe('MRQC', () => {
  it('82576: an enumeration; 4, 6 and 7 are reserved', () => {
    const modes = Array.from({ length: 8 }, (_, value) => poolMode('igb-82576', value));
    expect(modes.map((mode) => mode && [mode.pools, mode.rss])).toEqual([
      [0, 1],
      [0, 2],
      [0, 8],
      [8, 1],
      null,
      [8, 2],
      null,
      null,
    ]);
    expect(poolMode('igb-82576', 0x00330000 | 5)).toEqual({ pools: 8, rss: 2, classes: 0 });
  });

  it('82599: no 32 pools without RSS; 6, 7, 9, 14, 15 are reserved', () => {
    const reserved = Array.from({ length: 16 }, (_, value) => value).filter(
      (value) => poolMode('ixgbe-82599', value) === null,
    );
    expect(reserved).toEqual([6, 7, 9, 14, 15]);
    for (let value = 0; value < 16; value++) {
      const mode = poolMode('ixgbe-82599', value);
      if (mode !== null) expect(mrqcFor('ixgbe-82599', mode)).toBe(value);
    }
    expect(() => mrqcFor('ixgbe-82599', { pools: 32, rss: 1, classes: 0 })).toThrow(
      'ixgbe-82599 has 64x1, 32x4, 64x2, 16x8 (classes), 32x4 (classes)',
    );
    expect(() => mrqcFor('igb-82576', { pools: 8, rss: 4, classes: 0 })).toThrow('igb-82576 has 8x1, 8x2');
  });

  it('drivers choose by the number of virtual functions', () => {
    const of = (functions: number, driver?: 'linux' | 'dpdk') => {
      const { pools, queuesPerPool, defaultPool } = layoutForFunctions('ixgbe-82599', functions, driver);
      return `${pools}x${queuesPerPool} ${defaultPool}`;
    };
    expect([1, 31, 32, 63].map((n) => of(n))).toEqual(['32x4 1', '32x4 31', '64x2 32', '64x2 63']);
    expect([1, 15, 16, 31, 32].map((n) => of(n, 'dpdk'))).toEqual([
      '16x8 1',
      '16x8 15',
      '32x4 16',
      '32x4 31',
      '64x2 32',
    ]);
    expect(layoutForFunctions('igb-82576', 7)).toEqual({ pools: 8, queuesPerPool: 2, defaultPool: 7 });
    expect(() => layoutForFunctions('igb-82576', 8)).toThrow('8 virtual functions: igb-82576 has 1 to 7');
  });
});

describe('a NIC with pools', () => {
  const all = poolMask(
    Array.from({ length: 32 }, (_, pool) => pool),
    32,
    '',
  );
  const none = { low: 0, high: 0 };
  const guest = '52:54:00:00:00:03';
  function make() {
    const select = new PoolSwitch({
      pools: 32,
      defaultPool: -1,
      replication: true,
      vlanFiltering: false,
      broadcast: poolMask([3, 7], 32, ''),
      multicastHash: none,
      unicastHash: none,
      allMulticast: none,
      promiscuous: none,
      untagged: all,
      vlanPromiscuous: none,
      enabled: all,
      maxLength: 1522,
      longFrames: none,
      anySource: all,
      anyVlan: all,
      loopback: true,
      mirrors: [],
      macFilters: 128,
      vlanFilters: 64,
      hashMode: 0,
    });
    const { high, low } = parseMac(guest, '');
    select.macs.add({ high, low }, poolMask([3, 9], 32, ''));
    return model('ixgbe-82599', { pools: { select, layout: { pools: 32, queuesPerPool: 4 } } });
  }

  it('RSS chooses inside the pool; every pool gets its copy', () => {
    const nic = make();
    const verdict = nic.receive(burstOf(segment({ dstMac: guest })), 0);
    expect(verdict).toMatchObject({ stage: 'rss', pool: 3 });
    const index = nic.contexts.main.table.entries[verdict.bucket!]!;
    expect(verdict.queues).toEqual([12 + index, 36 + index]);
    expect(verdict.queue).toBe(12 + index);
    expect(nic.receive(burstOf(segment({ dstMac: '52:54:00:00:00:09' })), 0)).toMatchObject({
      stage: 'dropped',
      queue: null,
      queues: [],
      reason: 'no pool wants it: the NIC drops the frame',
    });
    expect(nic.receive(burstOf(ethernet({ dst: 'ff:ff:ff:ff:ff:ff' }, 'x')), 0)).toMatchObject({
      stage: 'default',
      queues: [12, 28],
    });
  });

  it('filters choose inside the pool too, a pool field only in that one', () => {
    const nic = make();
    nic.filters.addTuple({ dport: 80, pool: 9, priority: 1, queue: 2 });
    nic.filters.setSyn({ queue: 1, priority: 'high' });
    const burst = burstOf(segment({ dstMac: guest }), segment({ dstMac: guest, flags: TcpFlag.syn }));
    const [first, second] = [nic.receive(burst, 0), nic.receive(burst, 1)];
    expect(first.stage).toBe('rss');
    expect(first.queues[1]).toBe(9 * 4 + 2);
    expect(second).toMatchObject({ stage: 'syn', queue: 13, queues: [13, 37] });
    expect(second.reason).toBe('pool 3; the SYN filter matches -> index 1');
    expect(() => nic.filters.setSyn({ queue: 4, priority: 'high' })).toThrow('queues 0 to 3');
  });

  it('flow rules choose inside the pool; ATR is off', () => {
    const nic = make();
    addRule(nic, 'flow-type tcp4 dst-port 80 action 3');
    expect(nic.receive(burstOf(segment({ dstMac: guest })), 0)).toMatchObject({
      stage: 'flow-rule',
      queue: 15,
    });
    const { select } = nic.options.pools!;
    const layout = { pools: 32, queuesPerPool: 4 };
    expect(() => model('ixgbe-82599', { pools: { select, layout }, atr: {} })).toThrow('off with pools');
    expect(() => nic.setQueues(3)).toThrow('fixed by the layout');
  });
});
