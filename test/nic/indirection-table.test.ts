import { describe, expect, it } from 'vitest';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';

const list = (table: IndirectionTable) => Array.from(table.entries);

describe('fills', () => {
  it('default: i mod n, or contiguous blocks', () => {
    expect(list(new IndirectionTable(8, 3))).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    const blocks = new IndirectionTable(128, 3, 'blocks');
    expect(Array.from(blocks.counts())).toEqual([43, 43, 42]);
    expect(list(blocks)).toEqual(list(blocks).toSorted((a, b) => a - b));
  });

  it('equal, with start', () => {
    const table = new IndirectionTable(8, 5);
    table.fillEqual(3, 2);
    expect(list(table)).toEqual([2, 3, 4, 2, 3, 4, 2, 3]);
  });

  it('weight, as ethtool fills', () => {
    const table = new IndirectionTable(8, 4);
    table.fillWeight([1, 3]);
    expect(list(table)).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
    table.fillWeight([0, 1]);
    expect(list(table)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    table.fillWeight([1, 0, 1], 1);
    expect(list(table)).toEqual([1, 1, 1, 1, 3, 3, 3, 3]);
  });

  it('single entries and the whole table', () => {
    const table = new IndirectionTable(4, 2);
    table.set(3, 0);
    expect(list(table)).toEqual([0, 1, 0, 0]);
    table.setAll([1, 1, 0, 0]);
    expect(list(table)).toEqual([1, 1, 0, 0]);
    table.fillDefault();
    expect(list(table)).toEqual([0, 1, 0, 1]);
  });
});

describe('refusals', () => {
  const table = new IndirectionTable(8, 4);
  it.each([
    ['weights above the table', () => table.fillWeight([3, 3, 3]), /sum 9 exceeds the table's 8 entries/],
    ['weights of 0', () => table.fillWeight([0, 0]), /at least one weight/],
    ['negative weights', () => table.fillWeight([-1, 2]), /weight -1/],
    ['queues beyond', () => table.fillEqual(3, 2), /queues 2 to 4 are named, there are queues 0 to 3/],
    ['no queues', () => table.fillEqual(0), /at least 1 queue/],
    ['more weights than queues', () => table.fillWeight([1, 1, 1, 1, 1]), /queues 0 to 4 are named/],
    ['an unknown bucket', () => table.set(8, 0), /buckets 0 to 7/],
    ['an unknown queue', () => table.set(0, 4), /queues 0 to 3/],
    ['another length', () => table.setAll([0]), /1 entries given: the table has 8/],
    ['an unknown queue in a list', () => table.setAll([0, 1, 2, 3, 4, 0, 0, 0]), /queue 4/],
    ['an impossible size', () => new IndirectionTable(0, 1), /1 to 65536/],
    ['no queues at all', () => new IndirectionTable(8, 0), /at least 1/],
  ])('%s', (_, act, message) => {
    const before = list(table);
    expect(act).toThrow(message);
    expect(list(table)).toEqual(before);
  });
});

describe('the bucket of a hash', () => {
  it('is its low bits, for any sign', () => {
    const table = new IndirectionTable(128, 4);
    expect(table.bucketOf(0x51ccc178)).toBe(120);
    expect(table.bucketOf(0xffffffff | 0)).toBe(127);
    expect(new IndirectionTable(1, 1).bucketOf(-1)).toBe(0);
  });

  it('is the unsigned remainder where the size is no power of two', () => {
    const table = new IndirectionTable(192, 4);
    expect(table.bucketOf(0xffffffff | 0)).toBe(0xffffffff % 192);
  });
});

describe('another number of queues', () => {
  it('makes a default table anew', () => {
    expect(list(new IndirectionTable(4, 4).withQueues(2))).toEqual([0, 1, 0, 1]);
  });

  it('keeps a configured table, and refuses to take away a queue that it uses', () => {
    const table = new IndirectionTable(4, 4);
    table.setAll([0, 2, 0, 2]);
    expect(list(table.withQueues(3))).toEqual([0, 2, 0, 2]);
    expect(() => table.withQueues(2)).toThrow(/uses queue 2/);
  });
});

describe('the acceptance list of the kernel selftest for RSS contexts', () => {
  it('equal 2 gives each of two queues half and the others nothing; default spreads again', () => {
    const table = new IndirectionTable(128, 8);
    table.fillEqual(2);
    expect(Array.from(table.counts())).toEqual([64, 64, 0, 0, 0, 0, 0, 0]);
    table.fillDefault();
    const counts = Array.from(table.counts());
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    expect(sum(counts.slice(0, 2))).toBeLessThan(sum(counts.slice(2)));
  });
});
