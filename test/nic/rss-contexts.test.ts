/**
 * RSS contexts, with the acceptance list of the kernel's selftest for them (drivers/net/hw/rss_ctx.py): the same
 * settings, 20 000 packets, the same bounds; predicted instead of counted by a NIC.
 */
import { describe, expect, it } from 'vitest';
import { randomKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';
import type { NicModel } from '#rxsteer/nic/model.js';
import { RssContexts } from '#rxsteer/nic/rss-contexts.js';
import { addRule, burstOf, model, segment } from './support.js';

const PACKETS = 20_000;
const range = (table: IndirectionTable) => [Math.min(...table.entries), Math.max(...table.entries)];
const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

/** Packets of each queue: many connections (other ports) to one destination port. */
function traffic(nic: NicModel, dport = 5201): number[] {
  const counts = new Array<number>(nic.queues).fill(0);
  const burst = burstOf(segment({ dport }));
  const random = new SeededRandom(dport);
  for (let n = 0; n < PACKETS; n++) {
    burst.view.setUint16(burst.l4[0]!, random.below(65536));
    counts[nic.decide(burst, 0)]!++;
  }
  return counts;
}

const device = (queues: number) => model('mlx5', { queues });

describe('the acceptance list of rss_ctx', () => {
  it('test_rss_key_indir: equal 2 uses two queues, default spreads again', () => {
    const nic = device(8);
    const key = randomKey(40, 99);
    nic.contexts.modify(0, { key });
    expect(nic.contexts.main.key).toEqual(key);
    nic.contexts.modify(0, { equal: 2 });
    expect(range(nic.contexts.main.table)).toEqual([0, 1]);
    let counts = traffic(nic);
    expect(counts[0]).toBeGreaterThanOrEqual(5000);
    expect(counts[1]).toBeGreaterThanOrEqual(5000);
    expect(sum(counts.slice(2))).toBe(0);
    nic.contexts.modify(0, { isDefault: true });
    counts = traffic(nic);
    expect(sum(counts.slice(0, 2))).toBeLessThan(sum(counts.slice(2)));
  });

  it.each([
    ['test_rss_context', 1, false],
    ['test_rss_context4', 4, false],
    ['test_rss_context32', 32, false],
    ['test_rss_context4_create_with_cfg', 4, true],
  ])('%s: traffic stays in its context', (_, count, withSettings) => {
    const nic = device(2 + 2 * count);
    nic.contexts.modify(0, { equal: 2 });
    for (let i = 0; i < count; i++) {
      const change = { start: 2 + 2 * i, equal: 2 };
      const id = nic.contexts.create(withSettings ? change : {});
      if (!withSettings) nic.contexts.modify(id, change);
      expect(range(nic.contexts.get(id).table)).toEqual([2 + 2 * i, 3 + 2 * i]);
      addRule(nic, `flow-type tcp4 dst-port ${6000 + i} context ${id}`);
    }
    for (let i = 0; i < count; i += Math.max(1, count >> 2)) {
      const counts = traffic(nic, 6000 + i);
      expect(sum(counts.slice(2 + 2 * i, 4 + 2 * i))).toBe(PACKETS);
      expect(counts[2 + 2 * i]).toBeGreaterThan(5000);
      expect(counts[3 + 2 * i]).toBeGreaterThan(5000);
    }
  });

  it('test_rss_context_out_of_order: removing the middle, first, last context leaves the others alone', () => {
    const nic = device(10);
    nic.contexts.modify(0, { equal: 2 });
    const alive = Array.from({ length: 4 }, (_, i) => {
      const id = nic.contexts.create({ start: 2 + 2 * i, equal: 2 });
      return { id, location: addRule(nic, `flow-type tcp4 dst-port ${7000 + i} context ${id}`) };
    }) as ({ id: number; location: number } | null)[];
    const check = () => {
      alive.forEach((context, i) => {
        const counts = traffic(nic, 7000 + i);
        const used = context === null ? counts.slice(0, 2) : counts.slice(2 + 2 * i, 4 + 2 * i);
        expect(sum(used)).toBe(PACKETS);
      });
    };
    check();
    for (const i of [2, 0, 3]) {
      nic.rules.delete(alive[i]!.location);
      nic.contexts.delete(alive[i]!.id);
      alive[i] = null;
      check();
    }
    expect(nic.contexts.ids).toEqual([0, 2]);
    expect(nic.contexts.create()).toBe(1);
  });

  it.each([
    ['test_rss_context_overlap: with the main context', false],
    ['test_rss_context_overlap2: with another one', true],
  ])('%s', (_, other) => {
    const nic = device(8);
    const first = other ? nic.contexts.create() : 0;
    nic.contexts.modify(first, { equal: 4 });
    const second = nic.contexts.create();
    nic.contexts.modify(second, { start: 2, equal: 2 });
    const location = other ? addRule(nic, `flow-type tcp4 dst-port 8000 context ${first}`) : -1;
    let counts = traffic(nic, 8000);
    expect(sum(counts.slice(0, 4))).toBe(PACKETS);
    expect(sum(counts.slice(0, 2))).toBeGreaterThanOrEqual(7000);
    expect(sum(counts.slice(2, 4))).toBeGreaterThanOrEqual(7000);
    if (other) nic.rules.delete(location);
    addRule(nic, `flow-type tcp4 dst-port 8000 context ${second}`);
    counts = traffic(nic, 8000);
    expect(sum(counts.slice(0, 2))).toBe(0);
    expect(sum(counts.slice(2, 4))).toBe(PACKETS);
  });

  it('the action of a rule with a context is added to its queue', () => {
    const nic = device(8);
    const id = nic.contexts.create({ equal: 2 });
    addRule(nic, `flow-type tcp4 dst-port 80 context ${id} action 4`);
    const counts = traffic(nic, 80);
    expect(sum(counts.slice(4, 6))).toBe(PACKETS);
    const verdict = nic.receive(burstOf(segment()), 0);
    expect(verdict.reason).toMatch(
      /^flow rule at loc 1023 \(flow-type tcp4 dst-port 80 context 1 action 4\); .* = bucket \d+ of context 1 -> queue [45]$/,
    );
  });

  it('a context in use by a rule is not deleted, the rule goes first', () => {
    const nic = device(4);
    const id = nic.contexts.create({ equal: 2 });
    const location = addRule(nic, `flow-type tcp4 dst-port 80 context ${id}`);
    expect(() => nic.contexts.delete(id)).toThrow(
      'RSS context 1 is in use by 1 flow rules: delete them first',
    );
    addRule(nic, `flow-type tcp4 dst-port 80 action 1 loc ${location}`);
    nic.contexts.delete(id);
    expect(nic.contexts.ids).toEqual([0]);
  });

  it("a context's own key hashes its traffic only", () => {
    const nic = device(8);
    const id = nic.contexts.create({ key: randomKey(40, 5) });
    const before = nic.receive(burstOf(segment({ dport: 81 })), 0);
    addRule(nic, `flow-type tcp4 dst-port 80 context ${id}`);
    const own = nic.receive(burstOf(segment()), 0);
    expect(own.context).toBe(id);
    expect(own.hash?.key).toBe(Buffer.from(randomKey(40, 5)).toString('hex'));
    expect(nic.receive(burstOf(segment({ dport: 81 })), 0)).toEqual(before);
  });
});

describe('refusals, after which nothing has changed', () => {
  const make = () => new RssContexts({ size: 128, queues: 8, key: randomKey(40, 1), most: 2 });
  it.each([
    ['equal beyond the queues', { equal: 9 }, 'RSS context 0: equal: queues 0 to 8 are named'],
    ['start beyond', { equal: 2, start: 7 }, 'queues 7 to 8 are named, there are queues 0 to 7'],
    ['weights beyond the table', { weight: [100, 29] }, 'sum 129 exceeds'],
    ['weights of 0', { weight: [0, 0] }, 'at least one weight'],
    ['an unknown queue', { entries: new Array<number>(128).fill(8) }, 'queue 8: there are queues 0 to 7'],
    ['another table length', { entries: [0] }, '1 entries given: the table has 128'],
    ['a key of another length', { key: new Uint8Array(39) }, 'key of 39 bytes; permitted: 40 bytes'],
    ['two ways at once', { equal: 1, weight: [1] }, 'one of equal, weight, entries, default is enough'],
    ['start alone', { start: 1 }, 'start goes with equal or weight'],
  ])('%s', (_, change, message) => {
    const contexts = make();
    expect(() => contexts.modify(0, change)).toThrow(message);
    expect(() => contexts.create(change)).toThrow(message.replace('context 0', 'context 1'));
    expect(contexts.ids).toEqual([0]);
    expect(contexts.main.table.entries).toEqual(new IndirectionTable(128, 8).entries);
  });

  it('contexts that do not exist, the main one, too many', () => {
    const contexts = make();
    expect(() => contexts.modify(1, {})).toThrow('RSS context 1 does not exist; contexts: 0');
    expect(() => contexts.delete(1)).toThrow('RSS context 1 does not exist');
    expect(() => contexts.delete(0)).toThrow('cannot be deleted');
    expect(() => contexts.create({ isDefault: true })).toThrow('default goes with context 0 only');
    contexts.create();
    contexts.create();
    expect(() => contexts.create()).toThrow('all 2 are in use');
  });

  it('fewer queues than a table of any context uses', () => {
    const contexts = make();
    contexts.create({ start: 4, equal: 2 });
    expect(() => contexts.setQueues(5)).toThrow('RSS context 1: 5 queues: the table uses queue 5');
    expect(contexts.queues).toBe(8);
    contexts.setQueues(6);
    expect(range(contexts.main.table)).toEqual([0, 5]);
    expect(range(contexts.get(1).table)).toEqual([4, 5]);
  });
});

describe('another table size', () => {
  it('a default table is made anew, a configured one repeated; only a repetition shrinks', () => {
    const contexts = new RssContexts({ size: 4, queues: 4, key: randomKey(40, 1) });
    contexts.create({ entries: [3, 1, 1, 0] });
    contexts.resize(8);
    expect(Array.from(contexts.get(1).table.entries)).toEqual([3, 1, 1, 0, 3, 1, 1, 0]);
    expect(Array.from(contexts.main.table.entries)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(() => contexts.resize(2)).toThrow('RSS context 1: table of 8 entries does not repeat every 2');
    expect(() => contexts.resize(12)).toThrow('12 is neither a multiple nor a part of it');
    contexts.resize(4);
    expect(Array.from(contexts.get(1).table.entries)).toEqual([3, 1, 1, 0]);
  });
});
