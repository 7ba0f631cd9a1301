import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PORTS_MAX } from '#rxsteer/dataplane/memory/ring.js';
import { formatMac, parseMac } from '#rxsteer/mac/address.js';
import { PROBE_MAX } from '#rxsteer/mac/address-layout.js';
import {
  ANY_VLAN,
  Learned,
  NO_OWNER,
  OWNER_PORTS_MAX,
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

it('a worker that died while inserting does not stop learning for ever; a live holder keeps the lock', () => {
  const { shared, limits } = makeTable();
  const [one, two] = [1, 2].map((user) => new OwnerTable(shared, { ...limits, user })) as [
    OwnerTable,
    OwnerTable,
  ];
  const main = new OwnerTable(shared, limits);
  one.learn(0, 2, 7, 0, 1);
  const { lock } = one as unknown as { lock: { tryTake(): boolean } };
  expect(lock.tryTake()).toBe(true);
  expect(two.learn(0, 2, 8, 0, -1)).toBe(Learned.busy);
  expect(main.recover(2)).toBe(false);
  expect(two.learn(0, 2, 8, 0, -1)).toBe(Learned.busy);
  // What waits for it says who has it, and the main thread does not wait for ever.
  expect(() => main.configure(0, 2, 9, 0)).toThrow('owner table: user 1 does not give the lock back');
  expect(main.sweep(0)).toBe(-1);
  expect(main.followPort(0, 3)).toBe(0);
  expect(main.recover(1)).toBe(true);
  expect(two.learn(0, 2, 8, 0, 2)).toBe(Learned.added);
  expect([main.guests, main.load(1), main.load(2), main.learnedOn(0)]).toEqual([2, 1, 1, 2]);
});

describe('ageing', () => {
  it('forgets guests that send nothing from their port, never configured ones', () => {
    const { table } = makeTable({ guests: 8, guestsPerPort: 4, ageingSeconds: 10 });
    table.now = 100;
    table.configure(0, 1, 1, 3);
    for (let guest = 0; guest < 4; guest++) table.learn(0, 2, guest, 1, -1);
    table.now = 105;
    table.learn(0, 2, 0, 1, -1);
    // From elsewhere: it is known, and no younger for it.
    expect(table.learn(0, 2, 1, 2, -1)).toBe(Learned.known);
    table.now = 110;
    expect([0, 1, 2, 3].map((guest) => table.find(0, 2, guest) >= 0)).toEqual([true, false, false, false]);
    expect(table.find(0, 1, 1)).toBe(3);
    expect([...table.entries()].map(({ low }) => low)).toEqual([1, 0]);
    expect(table.sweep(110)).toBe(3);
    expect([table.guests, table.learnedOn(1)]).toEqual([2, 1]);
    expect([0, 1, 2, 3].reduce((sum, worker) => sum + table.load(worker), 0)).toBe(2);
  });

  it('a host whose guests get random addresses never runs out of room', () => {
    const { table } = makeTable({ guests: 64, guestsPerPort: 32, ageingSeconds: 10 });
    for (let guest = 0; guest < 5000; guest++) {
      table.now = guest;
      expect(table.learn(0, 2, Math.imul(guest, 0x9e3779b1), 0, -1)).toBe(Learned.added);
    }
    expect(table.guests).toBeLessThanOrEqual(32);
  });
});

describe('a guest that announces itself at another port', () => {
  it('counts there from then on, and no more where it was', () => {
    const { table } = makeTable({ guestsPerPort: 4 });
    for (let guest = 0; guest < 4; guest++) {
      table.learn(0, 2, guest, 5, -1);
      expect(table.relocate(0, 2, guest, 6, 1)).toBe(true);
    }
    expect([table.learnedOn(5), table.learnedOn(6)]).toEqual([0, 4]);
    expect(table.learn(0, 2, 10, 5, -1)).toBe(Learned.added);
    expect(table.learn(0, 2, 11, 6, -1)).toBe(Learned.full);
    // No more than the limit by announcements either.
    expect(table.relocate(0, 2, 10, 6, 1)).toBe(false);
    expect(table.portOf(0, 2, 10)).toBe(5);
  });

  it('between any two accesses of a move by hand: the loads stay right, and both take place or one', () => {
    const real = { load: Atomics.load, store: Atomics.store, add: Atomics.add };
    const swap = Atomics.compareExchange;
    for (let k = 1; ; k++) {
      const { table, shared, limits } = makeTable({ workers: 3 });
      const other = new OwnerTable(shared, { ...limits, user: 0 });
      table.learn(0, 2, 1, 5, 0);
      let accesses = 0;
      let relocated: boolean | null = null;
      const restore = () => Object.assign(Atomics, real, { compareExchange: swap });
      const hooked = Object.fromEntries(
        Object.entries({ ...real, compareExchange: swap }).map(([name, operation]) => [
          name,
          (...args: never[]) => {
            if (++accesses === k) {
              restore();
              relocated = other.relocate(0, 2, 1, 6, 1);
              Object.assign(Atomics, hooked);
            }
            return (operation as (...args: never[]) => unknown)(...args);
          },
        ]),
      );
      Object.assign(Atomics, hooked);
      try {
        expect(table.move(0, 2, 1, 2)).toBe(true);
      } finally {
        restore();
      }
      if (relocated === null) break;
      expect([0, 1, 2].map((worker) => table.load(worker))).toEqual([0, 0, 1]);
      expect(table.find(0, 2, 1)).toBe(2);
      expect(table.portOf(0, 2, 1)).toBe(relocated ? 6 : 5);
      expect([table.learnedOn(5), table.learnedOn(6)]).toEqual(relocated ? [0, 1] : [1, 0]);
    }
  });
});

it('knows every port that a descriptor can name, and refuses others', () => {
  const { table } = makeTable();
  expect(OWNER_PORTS_MAX).toBe(PORTS_MAX);
  for (const port of [0, 255, 256, 299, PORTS_MAX - 1]) {
    for (let guest = 0; guest < 3; guest++) table.learn(0, port, guest, port, 1);
    expect([port, table.portOwner(port), table.learnedOn(port)]).toEqual([port, 1, 3]);
  }
  table.setPortOwner(1023, 2);
  expect([767, 1022, 1023].map((port) => table.portOwner(port))).toEqual([3, 2, 2]);
  expect(() => table.learn(0, 9, 9, PORTS_MAX, 0)).toThrow(/no port 1024 among 1024/);
  expect(() => table.setPortOwner(-1, 0)).toThrow(RangeError);
});

describe('addresses that are made to meet in the table', () => {
  // The hash that was once used, and a place of the attacker's choice: where the gateway is searched.
  const place = (high: number, low: number) => {
    const x = Math.imul(((1 << 16) | high) ^ Math.imul(low, 0x9e3779b1), 0x85ebca6b);
    return (x ^ (x >>> 15)) & 8191;
  };
  const gateway = { high: 0x0200, low: 0x100 };
  function crafted(count: number): number[] {
    const found: number[] = [];
    for (let low = 0x10000; found.length < count; low++) {
      if (place(0x0266, low) === place(gateway.high, gateway.low)) found.push(low);
    }
    return found;
  }
  const probes = (run: () => unknown) => {
    let loads = 0;
    const { load } = Atomics;
    Atomics.load = ((array: Int32Array, at: number) => {
      loads++;
      return load(array, at);
    }) as typeof Atomics.load;
    try {
      run();
    } finally {
      Atomics.load = load;
    }
    return loads;
  };

  it('cost those who search for others, there or not, a few looks', () => {
    const limits = { workers: 2, guests: 4096, guestsPerPort: 1024 };
    const { table } = makeTable(limits);
    table.learn(0, 0x0200, 0x101, 1, -1);
    for (const low of crafted(300)) table.learn(0, 0x0266, low, 2, -1);
    expect(table.learnedOn(2)).toBe(300);
    const searches = [gateway.low, 0x101].map((low) => probes(() => table.find(0, gateway.high, low)));
    expect(Math.max(...searches)).toBeLessThan(40);
  });

  it('that come and go for days leave no long searches behind', () => {
    const { table } = makeTable({ guests: 512, guestsPerPort: 512, ageingSeconds: 50 });
    let next = 1;
    const random = () => {
      next = Math.imul(next ^ (next >>> 15), 0x2c1b3c6d) + 0x9e3779b1;
      return next | 0;
    };
    for (let second = 1; second < 600; second++) {
      table.now = second;
      for (let k = 0; k < 10; k++) {
        table.learn(0, 0x5254, random(), 1, -1);
      }
      if (second % 5 === 0) table.sweep(second);
      if (second % 100 === 0) {
        // All that is there is found, whatever became of the slots between.
        for (const { low } of table.entries()) expect(table.find(0, 0x5254, low)).toBeGreaterThanOrEqual(0);
      }
    }
    expect(table.guests).toBeGreaterThan(400);
    const searches = Array.from({ length: 200 }, () => probes(() => table.find(0, 0x5254, random())));
    expect(searches.reduce((a, b) => a + b) / searches.length).toBeLessThan(20);
  });

  it('no search looks at more than a bounded number of slots, not even with the seed', () => {
    const { table } = makeTable({ guests: 4096, guestsPerPort: 4096 });
    const { home } = table as unknown as { home(key: number, low: number): number };
    const same: number[] = [];
    for (let low = 0; same.length < 200; low++) {
      if (home.call(table, 0x40000002, low) >>> 4 === 5) same.push(low);
    }
    const results = same.map((low) => table.learn(0, 2, low, 1, -1));
    expect(results).toContain(Learned.added);
    const absent = same.at(-1)! + 1;
    expect(probes(() => table.find(0, 2, absent))).toBeLessThan(2 * PROBE_MAX + 10);
    for (const low of same) expect(probes(() => table.find(0, 2, low))).toBeLessThan(2 * PROBE_MAX + 10);
  });
});

describe('against a plain map', () => {
  const AGE = 10;
  const guest = fc.integer({ min: 0, max: 25 });
  const port = fc.integer({ min: 0, max: 3 });
  const command = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('learn' as const), guest, port }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('find' as const), guest, port }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('relocate' as const), guest, port }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), guest, port }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('configure' as const), guest, port }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const), guest, port }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), guest, port }) },
  );

  it('answers every sequence of commands as the map does, and counts as it does', () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 150 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 20 }),
        (commands, guests, guestsPerPort) => {
          const { table } = makeTable({ guests, guestsPerPort, ageingSeconds: AGE });
          const map = new Map<number, { worker: number; port: number; seen: number }>();
          const alive = () => {
            for (const [key, { port: at, seen }] of map)
              if (at >= 0 && table.now - seen >= AGE) map.delete(key);
          };
          const on = (at: number) => [...map.values()].filter((entry) => entry.port === at).length;
          const load = (worker: number) =>
            [...map.values()].filter((entry) => entry.worker === worker).length;
          table.now = 1000;
          for (const { do: what, guest: low, port: at } of commands) {
            alive();
            const entry = map.get(low);
            if (what === 'learn') {
              let expected: number = Learned.added;
              if (entry !== undefined) {
                if (entry.port === at) entry.seen = table.now;
                expected = Learned.known;
              } else if (on(at) >= guestsPerPort || map.size >= guests) expected = Learned.full;
              // The loads count what has aged until it is swept, so a worker is named here.
              else map.set(low, { worker: low % 4, port: at, seen: table.now });
              expect(table.learn(0, 2, low, at, low % 4)).toBe(expected);
            } else if (what === 'relocate') {
              const may =
                entry !== undefined && entry.port >= 0 && entry.port !== at && on(at) < guestsPerPort;
              table.sweep(table.now);
              expect(table.relocate(0, 2, low, at, at)).toBe(may);
              if (may) map.set(low, { worker: at, port: at, seen: table.now });
            } else if (what === 'move') {
              expect(table.move(0, 2, low, at)).toBe(entry !== undefined);
              if (entry !== undefined) entry.worker = at;
            } else if (what === 'configure') {
              table.sweep(table.now);
              const fits = entry !== undefined || map.size < guests;
              expect(table.configure(0, 2, low, at)).toBe(fits);
              if (fits && entry === undefined) map.set(low, { worker: at, port: -1, seen: 0 });
            } else if (what === 'sweep') {
              expect(table.sweep(table.now)).toBeGreaterThanOrEqual(0);
              expect(table.guests).toBe(map.size);
              expect([0, 1, 2, 3].map((w) => table.load(w))).toEqual([0, 1, 2, 3].map(load));
            } else if (what === 'pass') table.now += low % 7;
            else expect(table.find(0, 2, low)).toBe(entry?.worker ?? NO_OWNER);
          }
          alive();
          expect([...table.entries()].map(({ low, worker, port: at }) => [low, worker, at])).toEqual(
            [...map].sort(([a], [b]) => a - b).map(([low, { worker, port: at }]) => [low, worker, at]),
          );
          table.sweep(table.now);
          for (let p = 0; p < 4; p++) expect(table.learnedOn(p)).toBe(on(p));
        },
      ),
      { numRuns: 200 },
    );
  });
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
