import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { formatMac, parseMac } from '#rxsteer/mac/address.js';
import {
  ANY_VLAN,
  Learned,
  NO_OWNER,
  type OwnerLimits,
  OwnerTable,
  ownerTableBytes,
} from '#rxsteer/mac/owner-table.js';

function makeTable(limits: Partial<OwnerLimits> = {}) {
  const all = { workers: 4, guests: 64, guestsPerPort: 64, ...limits };
  const shared = new SharedArrayBuffer(ownerTableBytes(all.guests));
  return { table: new OwnerTable(shared, all), shared, limits: all };
}

describe('learning', () => {
  it('gives each new guest to the worker with the fewest, ties to the lowest id', () => {
    const { table } = makeTable();
    table.configure(0, 1, 100, 0);
    table.configure(0, 1, 101, 0);
    table.configure(0, 1, 102, 2);
    const owners: number[] = [];
    for (let guest = 0; guest < 6; guest++) {
      expect(table.learn(0, 2, guest, 0, -1)).toBe(Learned.added);
      owners.push(table.find(0, 2, guest));
    }
    expect(owners).toEqual([1, 3, 1, 2, 3, 0]);
    expect([0, 1, 2, 3].map((worker) => table.load(worker))).toEqual([3, 2, 2, 2]);
  });

  it('keeps an owner, and takes a given one', () => {
    const { table } = makeTable();
    table.learn(0, 2, 7, 1, 3);
    expect(table.find(0, 2, 7)).toBe(3);
    expect(table.learn(0, 2, 7, 2, 1)).toBe(Learned.known);
    expect(table.find(0, 2, 7)).toBe(3);
    expect(table.portOf(0, 2, 7)).toBe(1);
  });

  it('keeps the same MAC on two VLANs apart', () => {
    const { table } = makeTable();
    table.learn(1, 2, 7, 0, 1);
    table.learn(2, 2, 7, 0, 2);
    expect([table.find(1, 2, 7), table.find(2, 2, 7), table.find(3, 2, 7)]).toEqual([1, 2, NO_OWNER]);
  });

  it('finds every one of many guests again', () => {
    const { table } = makeTable({ guests: 5000, guestsPerPort: 5000, workers: 7 });
    for (let guest = 0; guest < 5000; guest++)
      table.learn(guest % 3, guest >> 4, Math.imul(guest, 977), 0, guest % 7);
    let wrong = 0;
    for (let guest = 0; guest < 5000; guest++) {
      if (table.find(guest % 3, guest >> 4, Math.imul(guest, 977)) !== guest % 7) wrong++;
    }
    expect(wrong).toBe(0);
    expect(table.find(0, 0xffff, 1)).toBe(NO_OWNER);
  });

  it('stops at the limits of table and port, and goes on for other ports', () => {
    const { table } = makeTable({ guests: 10, guestsPerPort: 6 });
    const results = Array.from({ length: 8 }, (_, guest) => table.learn(0, 2, guest, 0, -1));
    expect(results.filter((result) => result === Learned.added).length).toBe(6);
    expect(results[7]).toBe(Learned.full);
    for (let guest = 0; guest < 4; guest++) expect(table.learn(0, 3, guest, 1, -1)).toBe(Learned.added);
    expect(table.learn(0, 3, 9, 1, -1)).toBe(Learned.full);
    expect(table.guests).toBe(10);
  });
});

describe('configured owners', () => {
  it('hold on their VLAN, or on all', () => {
    const { table } = makeTable();
    table.configure(5, 2, 7, 1);
    expect([table.find(5, 2, 7), table.find(6, 2, 7)]).toEqual([1, NO_OWNER]);
    table.configure(ANY_VLAN, 2, 7, 3);
    expect([table.find(5, 2, 7), table.find(6, 2, 7)]).toEqual([1, 3]);
    expect(table.isConfigured(6, 2, 7)).toBe(true);
    expect(table.learn(6, 2, 7, 0, 2)).toBe(Learned.known);
  });

  it('may be configured by every worker', () => {
    const { table, shared, limits } = makeTable();
    table.configure(0, 2, 7, 1);
    const other = new OwnerTable(shared, limits);
    other.configure(0, 2, 7, 1);
    expect(table.guests).toBe(1);
    expect(other.load(1)).toBe(1);
  });
});

describe('the owner of a port', () => {
  it('is that of its first guest, else port mod workers, unless it was set', () => {
    const { table } = makeTable();
    expect([0, 1, 5].map((port) => table.portOwner(port))).toEqual([0, 1, 1]);
    table.learn(0, 2, 7, 5, 3);
    table.learn(0, 2, 8, 5, 2);
    expect(table.portOwner(5)).toBe(3);
    table.setPortOwner(5, 0);
    expect(table.portOwner(5)).toBe(0);
  });

  it('comes from a configured guest too', () => {
    const { table } = makeTable();
    table.configure(ANY_VLAN, 2, 7, 2);
    table.learn(0, 2, 7, 0, -1);
    expect(table.portOwner(0)).toBe(2);
  });
});

it('a moved guest changes the loads', () => {
  const { table } = makeTable();
  table.learn(0, 2, 7, 1, 3);
  expect(table.move(0, 2, 7, 0)).toBe(true);
  expect(table.find(0, 2, 7)).toBe(0);
  expect(table.portOf(0, 2, 7)).toBe(1);
  expect([table.load(0), table.load(3)]).toEqual([1, 0]);
  expect(table.move(0, 9, 9, 0)).toBe(false);
});

it('a worker that died while inserting does not stop learning for ever', () => {
  const { table, shared } = makeTable();
  Atomics.store(new Int32Array(shared), 0, 1);
  expect(table.learn(0, 2, 7, 0, -1)).toBe(Learned.busy);
  table.recover();
  expect(table.learn(0, 2, 7, 0, -1)).toBe(Learned.added);
});

it('threads that learn the same guests agree on every owner', async () => {
  const guests = 3000;
  const { table, shared, limits } = makeTable({ guests: 4096, guestsPerPort: 4096 });
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(({ OwnerTable }) => {
      const table = new OwnerTable(workerData.shared, workerData.limits);
      let unsteady = 0;
      for (let g = 0; g < workerData.guests; g++) {
        const guest = workerData.id % 2 === 0 ? g : workerData.guests - 1 - g;
        while (table.find(0, 2, guest) < 0) table.learn(0, 2, guest, 0, -1);
        const first = table.find(0, 2, guest);
        for (let again = 0; again < 5; again++) if (table.find(0, 2, guest) !== first) unsteady++;
      }
      parentPort.postMessage(unsteady);
    });`;
  const module = import.meta.resolve('#rxsteer/mac/owner-table.js');
  const results = await Promise.all(
    [0, 1, 2].map(
      (id) =>
        new Promise((resolve, reject) => {
          const worker = new Worker(code, { eval: true, workerData: { module, shared, limits, guests, id } });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  expect(results).toEqual([0, 0, 0]);
  expect(table.guests).toBe(guests);
  const loads = [0, 1, 2, 3].map((worker) => table.load(worker));
  expect(loads).toEqual([750, 750, 750, 750]);
});

it('addresses as text', () => {
  const words = parseMac('F2-34-56-78-9A-BC', 'x');
  expect(words).toEqual({ high: 0xf234, low: 0x56789abc });
  expect(formatMac(words.high, words.low)).toBe('f2:34:56:78:9a:bc');
  expect(formatMac(0, -1)).toBe('00:00:ff:ff:ff:ff');
  for (const bad of ['', '52:54:00', '52:54:00:12:34:5g', '525400123456']) {
    expect(() => parseMac(bad, '--src-mac')).toThrow(/--src-mac: .* is not a MAC address/);
  }
});
