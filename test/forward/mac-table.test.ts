import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MacControl } from '#rxsteer/forward/mac-control.js';
import { createMacTable, Header, SLOT_USED, Slot } from '#rxsteer/forward/mac-layout.js';
import { Learned, MacTable } from '#rxsteer/forward/mac-table.js';
import { SharedLock } from '#rxsteer/sync/shared-lock.js';
import { STATION } from './support.js';

const AGEING = 10;
const PORTS = 3;

/** The plain model: what a MAC table means, without slots, locks or atomics. */
class Model {
  readonly map = new Map<string, { port: number; seen: number; fixed: boolean }>();
  constructor(
    readonly capacity: number,
    readonly limits: number[],
  ) {}

  age(now: number) {
    for (const [key, entry] of this.map) if (!entry.fixed && now - entry.seen >= AGEING) this.map.delete(key);
  }
  onPort(port: number) {
    return [...this.map.values()].filter((entry) => !entry.fixed && entry.port === port).length;
  }
  learn(key: string, port: number, now: number): number {
    this.age(now);
    const entry = this.map.get(key);
    if (entry?.fixed) return Learned.known;
    if (entry?.port === port) {
      entry.seen = now;
      return Learned.known;
    }
    if (this.onPort(port) >= this.limits[port]!) return Learned.limited;
    if (!entry && this.map.size >= this.capacity) return Learned.full;
    this.map.set(key, { port, seen: now, fixed: false });
    return entry ? Learned.moved : Learned.learned;
  }
  lookup(key: string, now: number): number {
    this.age(now);
    return this.map.get(key)?.port ?? -1;
  }
  addStatic(key: string, port: number, now: number): boolean {
    this.age(now);
    this.map.delete(key);
    if (this.map.size >= this.capacity) return false;
    this.map.set(key, { port, seen: now, fixed: true });
    return true;
  }
  flushPort(port: number, now: number) {
    this.age(now);
    for (const [key, entry] of this.map) if (!entry.fixed && entry.port === port) this.map.delete(key);
  }
}

const vlan = fc.constantFrom(0, 1, 4094);
const station = fc.integer({ min: 0, max: 25 }).map((s) => s * 0x10000001);
const port = fc.integer({ min: 0, max: PORTS - 1 });
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('learn' as const), vlan, station, port }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('lookup' as const), vlan, station, port }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('static' as const), vlan, station, port }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), vlan, station, port }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const), vlan, station, port }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const), vlan, station, port }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), vlan, station, port }) },
);

describe('MAC table against a plain map', () => {
  it('answers every sequence of commands as the model does', () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: PORTS, maxLength: PORTS }),
        fc.integer(),
        (commands, capacity, limits, seed) => {
          const memory = createMacTable({ capacity, ports: PORTS, users: 2, ageingSeconds: AGEING, seed });
          const control = new MacControl(memory, 1);
          const worker = new MacTable(memory, 0);
          limits.forEach((limit, p) => {
            control.setLearnLimit(p, limit);
          });
          const model = new Model(capacity, limits);
          let now = 1000;
          for (const c of commands) {
            const key = `${c.vlan} ${c.station | 0}`;
            switch (c.do) {
              case 'learn':
                expect(worker.learn(c.vlan, STATION, c.station, c.port, now)).toBe(
                  model.learn(key, c.port, now),
                );
                break;
              case 'lookup':
                expect(worker.lookup(c.vlan, STATION, c.station, now)).toBe(model.lookup(key, now));
                break;
              case 'static':
                expect(control.addStatic(c.vlan, STATION, c.station, c.port, now)).toBe(
                  model.addStatic(key, c.port, now),
                );
                break;
              case 'remove':
                model.age(now);
                control.sweep(now);
                expect(control.remove(c.vlan, STATION, c.station)).toBe(model.map.delete(key));
                break;
              case 'flush':
                model.flushPort(c.port, now);
                control.flushPort(c.port);
                break;
              case 'sweep':
                model.age(now);
                control.sweep(now);
                expect(control.size()).toBe(model.map.size);
                break;
              case 'pass':
                now += c.station % 7;
                break;
            }
          }
          model.age(now);
          const listed = [...control.entries(now)].map((e) => `${e.vlan} ${e.mac} ${e.port} ${e.static}`);
          const wanted = [...model.map].map(([key, e]) => {
            const [v, s] = key.split(' ');
            const hex = (Number(s) >>> 0).toString(16).padStart(8, '0').match(/../g)!.join(':');
            return `${v} 02:00:${hex} ${e.port} ${e.fixed}`;
          });
          expect(listed.sort()).toEqual(wanted.sort());
          control.sweep(now);
          for (let p = 0; p < PORTS; p++) expect(control.learnedOn(p)).toBe(model.onPort(p));
        },
      ),
      { numRuns: 300, seed: 4711 },
    );
  });
});

describe('MAC table', () => {
  const make = (capacity = 64) => {
    const memory = createMacTable({ capacity, ports: PORTS, users: 2, ageingSeconds: AGEING });
    return {
      control: new MacControl(memory, 1),
      worker: new MacTable(memory, 0),
      words: new Int32Array(memory),
    };
  };

  it('leaves no deleted slot behind when everything has gone', () => {
    const { control, worker, words } = make(1000);
    for (let round = 0; round < 5; round++) {
      for (let s = 0; s < 1000; s++) worker.learn(0, STATION, s + round * 5000, s % PORTS, round * 100);
      expect(control.size()).toBe(1000);
      expect(control.sweep(round * 100 + AGEING - 1)).toBe(0);
      expect(control.sweep(round * 100 + AGEING)).toBe(1000);
      const views = slots(control, words);
      expect(views.every((key) => key === 0)).toBe(true);
    }
  });

  it('refreshes an entry at most once a second, and never backwards', () => {
    const { worker, control } = make();
    worker.learn(0, STATION, 1, 0, 100);
    worker.learn(0, STATION, 1, 0, 99);
    expect([...control.entries(100)][0]!.ageSeconds).toBe(0);
    const before = worker.generation();
    worker.learn(0, STATION, 1, 0, 105);
    expect([...control.entries(105)][0]!.ageSeconds).toBe(0);
    expect(worker.generation()).toBe(before);
  });

  it('skips and counts learning while another thread changes the table; lookups go on', () => {
    const { worker, control, words } = make();
    worker.learn(0, STATION, 1, 0, 0);
    words[Header.lock] = 2;
    expect(worker.learn(0, STATION, 2, 0, 0)).toBe(Learned.contended);
    expect(worker.learn(0, STATION, 1, 1, 0)).toBe(Learned.contended);
    expect(worker.learn(0, STATION, 1, 0, 3)).toBe(Learned.known);
    expect(worker.lookup(0, STATION, 1, 0)).toBe(0);
    words[Header.lock] = 0;
    expect(worker.learn(0, STATION, 2, 0, 0)).toBe(Learned.learned);
    expect(control.counters()).toMatchObject({ contended: 2, learned: 2 });
  });

  it('does not answer from a slot that is being written', () => {
    const { worker, words, control } = make();
    worker.learn(0, STATION, 1, 2, 0);
    const slot = words.indexOf(SLOT_USED | STATION);
    words[slot + Slot.version]!++;
    expect(worker.lookup(0, STATION, 1, 0)).toBe(-1);
    expect([...control.entries(0)]).toEqual([]);
    words[slot + Slot.version]!++;
    expect(worker.lookup(0, STATION, 1, 0)).toBe(2);
  });

  it('is repaired after its writer died with the lock, in whatever state the slot is', () => {
    const { worker, words, control } = make();
    for (let s = 0; s < 40; s++) worker.learn(0, STATION, s, s % 2, 0);
    const victim = words.findIndex(
      (word, i) => word === (SLOT_USED | STATION) && words[i + Slot.keyLow] === 7,
    );
    words[Header.lock] = 1;
    words[victim + Slot.version]!++;
    words[victim + Slot.port] = 2;
    words[Header.used] = 99;
    // What timers call gives up, what somebody waits for says why.
    expect(control.sweep(0)).toBe(-1);
    expect(() => control.remove(0, STATION, 1)).toThrow(/user 0 does not give the lock back/);
    expect(control.recover(1)).toBe(false);
    expect(control.recover(0)).toBe(true);
    expect(control.size()).toBe(39);
    expect([control.learnedOn(0), control.learnedOn(1), control.learnedOn(2)]).toEqual([20, 19, 0]);
    for (let s = 0; s < 40; s++) expect(worker.lookup(0, STATION, s, 0)).toBe(s === 7 ? -1 : s % 2);
    expect(worker.learn(0, STATION, 7, 2, 0)).toBe(Learned.learned);
    expect(control.sweep(AGEING)).toBe(40);
    expect(slots(control, words).every((key) => key === 0)).toBe(true);
  });

  it('at rest is not walked before its oldest entry ages, nor after a change forgotten', () => {
    const { worker, control, words } = make(10_000);
    const releases = () => words[Header.lock + 1]!;
    /** What a sweep returns, and how often it took the lock. */
    const sweep = (now: number) => {
      const before = releases();
      return [control.sweep(now), releases() - before];
    };
    for (let s = 0; s < 20; s++) worker.learn(0, STATION, s, 0, s < 10 ? 100 : 105);
    const parts = sweep(105)[1]!;
    expect(parts).toBeGreaterThan(2);
    expect(sweep(106)).toEqual([0, 1]);
    // A refresh is no change, and lets an entry live on.
    worker.learn(0, STATION, 0, 0, 107);
    expect(sweep(109)).toEqual([0, 1]);
    expect(sweep(110)[0]).toBe(9);
    expect(sweep(110)[1]).toBe(parts);
    expect(sweep(114)).toEqual([0, 1]);
    worker.learn(0, STATION, 99, 0, 105);
    expect(sweep(114)[1]).toBeGreaterThan(1);
    expect(sweep(115)[0]).toBe(11);
    expect(sweep(117)[0]).toBe(1);
    expect(control.size()).toBe(0);
  });

  it('is swept again from where a sweep gave up', () => {
    const { worker, control, words } = make(1000);
    for (let s = 0; s < 900; s++) worker.learn(0, STATION, s, s % PORTS, 0);
    let sweeps = 0;
    let reclaimed = -1;
    // The worker takes the lock between two parts, as often as the main thread gives it back.
    const { release } = SharedLock.prototype;
    SharedLock.prototype.release = function (this: SharedLock) {
      release.call(this);
      if (sweeps < 5) words[Header.lock] = 1;
    };
    try {
      for (; reclaimed < 0; sweeps++) {
        words[Header.lock] = 0;
        reclaimed = control.sweep(AGEING);
      }
    } finally {
      SharedLock.prototype.release = release;
    }
    expect(sweeps).toBe(6);
    expect(reclaimed).toBe(900);
    expect(control.size()).toBe(0);
  });

  it('a flood of new addresses at the limit makes a worker look at a small part of the table, and only now and then', () => {
    const memory = createMacTable({ capacity: 1 << 16, ports: PORTS, users: 2, learnLimit: 2000, seed: 5 });
    const worker = new MacTable(memory, 0);
    const control = new MacControl(memory, 1);
    for (let s = 0; s < 2000; s++) worker.learn(0, STATION, s, 0, 0);
    for (let s = 0; s < 2000; s++) worker.learn(0, STATION, s, 1, 0);
    for (let s = 0; s < 2000; s++) worker.learn(0, STATION, 0x10000 + s, 2, 0);
    const accesses: number[] = [];
    for (let s = 0; s < 1000; s++) {
      accesses.push(
        countAtomics(() => expect(worker.learn(0, STATION, 0x20000 + s, 1, 1)).toBe(Learned.limited)),
      );
    }
    // A part has 128 slots, and a tenth of them are used here: an access each, and a search.
    expect(Math.max(...accesses)).toBeLessThan(300);
    // In a second a worker sweeps 64 parts; all others are refused after a search.
    expect(accesses.filter((count) => count > 30).length).toBeLessThan(80);
    // What has aged makes room all the same, for the main thread sweeps.
    expect(control.sweep(300)).toBe(4000);
    expect(worker.learn(0, STATION, 0x30000, 1, 300)).toBe(Learned.learned);
  });

  it('refuses impossible dimensions, ports and VLANs', () => {
    expect(() => createMacTable({ capacity: 0, ports: 2, users: 1 })).toThrow(/capacity 0/);
    expect(() => createMacTable({ capacity: 8, ports: 2, users: 1, ageingSeconds: 0 })).toThrow(/ageing/);
    const { control } = make();
    expect(() => control.addStatic(0, STATION, 1, PORTS, 0)).toThrow(/no port 3/);
    expect(() => control.addStatic(4095, STATION, 1, 0, 0)).toThrow(/VLAN 4095/);
    expect(() => control.setLearnLimit(0, -1)).toThrow(/learn limit/);
    expect(() => new MacTable(control.memory, 2)).toThrow(/no user 2/);
  });
});

/** Accesses to shared words while `run` runs. */
function countAtomics(run: () => void): number {
  let accesses = 0;
  const { load, store, add, compareExchange } = Atomics;
  const counted = (operation: (...args: never[]) => unknown) =>
    ((...args: never[]) => {
      accesses++;
      return operation(...args);
    }) as never;
  Object.assign(Atomics, {
    load: counted(load),
    store: counted(store),
    add: counted(add),
    compareExchange: counted(compareExchange),
  });
  try {
    run();
  } finally {
    Object.assign(Atomics, { load, store, add, compareExchange });
  }
  return accesses;
}

/** `keyHigh` of all slots. */
function slots(control: MacControl, words: Int32Array): number[] {
  const { slotsAt, slots: count } = control as unknown as { slotsAt: number; slots: number };
  return Array.from({ length: count }, (_, i) => words[slotsAt + i * 8]!);
}
