/**
 * The MAC table's races, one by one: a whole operation of a second thread is run between any two atomic accesses
 * of a first one's, by putting it into `Atomics` itself. Deterministic, and complete for one preemption.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { MacControl } from '#rxsteer/forward/mac-control.js';
import {
  createMacTable,
  Header,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_USED,
  SLOT_WORDS,
  Slot,
} from '#rxsteer/forward/mac-layout.js';
import { Learned, MacTable } from '#rxsteer/forward/mac-table.js';
import { STATION } from './support.js';

const real = {
  load: Atomics.load,
  store: Atomics.store,
  add: Atomics.add,
  compareExchange: Atomics.compareExchange,
};
afterEach(() => {
  Object.assign(Atomics, real);
});

/** Runs `first` with `second` before its k-th atomic access; false when `first` made fewer than k. */
function interleave(k: number, first: () => void, second: () => void): boolean {
  let accesses = 0;
  const hooked = Object.fromEntries(
    Object.entries(real).map(([name, operation]) => [
      name,
      (...args: unknown[]) => {
        if (++accesses === k) {
          Object.assign(Atomics, real);
          second();
          Object.assign(Atomics, hooked);
        }
        return (operation as (...args: unknown[]) => number)(...args);
      },
    ]),
  );
  Object.assign(Atomics, hooked);
  try {
    first();
  } finally {
    Object.assign(Atomics, real);
  }
  return accesses >= k;
}

const AGEING = 10;
const OLD_PORT = 0;

/** A table of 16 slots with three stations that share their home slot: `a` and `b` entered, `c` not. */
function make() {
  const memory = createMacTable({ capacity: 8, ports: 4, users: 3, ageingSeconds: AGEING, learnLimit: 8 });
  const control = new MacControl(memory, 2);
  const home = (s: number) =>
    (control as unknown as { home(key: number, low: number): number }).home(SLOT_USED | STATION, s);
  const same = [...Array(1000).keys()].filter((s) => home(s) === 14);
  const [a, b, c] = same as [number, number, number];
  const one = new MacTable(memory, 0);
  const two = new MacTable(memory, 1);
  one.learn(0, STATION, a, OLD_PORT, 0);
  one.learn(0, STATION, b, 1, 0);
  return { memory, control, one, two, a, b, c };
}
type Scene = ReturnType<typeof make>;

/** What another thread may do meanwhile. */
const others: Record<string, (scene: Scene, now: number) => void> = {
  'removes it': ({ control, a }) => void control.remove(0, STATION, a),
  'gives its slot to another': ({ control, two, a, c }, now) => {
    control.remove(0, STATION, a);
    two.learn(0, STATION, c, 3, now);
  },
  'removes and learns it elsewhere': ({ control, two, a, c }, now) => {
    control.remove(0, STATION, a);
    two.learn(0, STATION, c, 3, now);
    two.learn(0, STATION, a, 2, now);
  },
  'moves it': ({ two, a }, now) => void two.learn(0, STATION, a, 2, now),
  'removes its neighbour': ({ control, b }) => void control.remove(0, STATION, b),
  'learns a neighbour': ({ two, c }, now) => void two.learn(0, STATION, c, 3, now),
  'flushes its port': ({ control }) => void control.flushPort(OLD_PORT),
  'makes it static': ({ control, a }, now) => void control.addStatic(0, STATION, a, 2, now),
  'sweeps everything away': ({ control }, now) => void control.sweep(now + AGEING),
  'refreshes it': ({ two, a }, now) => void two.learn(0, STATION, a, OLD_PORT, now + 1),
};

/** What must hold whenever nobody is at work. */
function checkTable({ memory, control }: Scene) {
  const words = new Int32Array(memory);
  const { slotsAt, slots } = control as unknown as { slotsAt: number; slots: number };
  const keys: string[] = [];
  const perPort = [0, 0, 0, 0];
  for (let i = 0; i < slots; i++) {
    const slot = slotsAt + i * SLOT_WORDS;
    expect(words[slot + Slot.version]! & 1).toBe(0);
    if (words[slot] === SLOT_DELETED)
      expect(words[slotsAt + ((i + 1) % slots) * SLOT_WORDS]).not.toBe(SLOT_EMPTY);
    if ((words[slot]! & SLOT_USED) === 0) continue;
    keys.push(`${words[slot]} ${words[slot + Slot.keyLow]}`);
    const port = words[slot + Slot.port]!;
    if (port < 4) perPort[port]!++;
  }
  expect(new Set(keys).size).toBe(keys.length);
  expect(control.size()).toBe(keys.length);
  expect([0, 1, 2, 3].map((port) => control.learnedOn(port))).toEqual(perPort);
  expect(words[Header.lock]).toBe(0);
}

describe.each(Object.entries(others))('while another thread %s', (_, other) => {
  it('a lookup gives the port before or after, or nothing', () => {
    for (const target of ['a', 'b'] as const) {
      const ports = (act: boolean) => {
        const scene = make();
        if (act) other(scene, 1);
        return scene.one.lookup(0, STATION, scene[target], 1);
      };
      const permitted = [ports(false), ports(true)];
      // Nothing at all is an answer only where the station is removed on the way; `b` is never lost because of `a`.
      if (target === 'a') permitted.push(-1);
      let steps = 0;
      for (let k = 1; ; k++) {
        const scene = make();
        let found = -2;
        const done = !interleave(
          k,
          () => {
            found = scene.one.lookup(0, STATION, scene[target], 1);
          },
          () => other(scene, 1),
        );
        if (done) break;
        steps++;
        expect(permitted).toContain(found);
        checkTable(scene);
      }
      expect(steps).toBeGreaterThan(5);
    }
  });

  it('learning leaves a sound table and a true answer', () => {
    for (const [target, port, now] of [
      ['a', OLD_PORT, 0],
      ['a', OLD_PORT, 3],
      ['a', 3, 3],
      ['b', 2, 3],
      ['c', 1, 3],
      ['a', 3, AGEING],
      ['c', 1, AGEING],
    ] as const) {
      for (let k = 1; ; k++) {
        const scene = make();
        let result = -1;
        let stuck = false;
        const done = !interleave(
          k,
          () => {
            result = scene.one.learn(0, STATION, scene[target], port, now);
          },
          () => {
            // The main thread would wait for a lock that its own thread holds; workers try and go on.
            if (Atomics.load(new Int32Array(scene.memory), Header.lock) === 0) other(scene, now);
            else {
              stuck = true;
              const before = scene.control.counters().contended;
              expect(scene.two.learn(0, STATION, 0x7777, 3, now)).toBe(Learned.contended);
              expect(scene.control.counters().contended).toBe(before + 1);
            }
          },
        );
        if (done) break;
        checkTable(scene);
        const entry = [...scene.control.entries(now)].find((e) =>
          e.mac.endsWith(scene[target].toString(16).padStart(4, '0').replace(/(..)/, '$1:')),
        );
        if (result === Learned.learned || result === Learned.moved) {
          expect(scene.one.foundPort).toBe(port);
          // Unless the other came last, the entry is there with the port that was learned.
          if (stuck) expect(entry).toMatchObject({ port, ageSeconds: 0 });
        }
      }
    }
  });
});

describe('a refresh that comes late', () => {
  it('never makes the next owner of the slot younger than it is, nor older', () => {
    for (let k = 1; ; k++) {
      const scene = make();
      const done = !interleave(
        k,
        () => scene.one.learn(0, STATION, scene.a, OLD_PORT, 3),
        () => {
          scene.control.remove(0, STATION, scene.a);
          scene.two.learn(0, STATION, scene.c, 2, 5);
        },
      );
      if (done) break;
      const entry = [...scene.control.entries(5)].find((e) => e.port === 2);
      expect(entry?.ageSeconds).toBe(0);
    }
  });
});
