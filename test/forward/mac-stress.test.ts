/**
 * The MAC table under several real threads at once: invariants only, timing decides nothing.
 *
 * Stations (VLAN 0) are learned by three threads at ports that follow from their number, except the movers, and
 * removed by the main thread all the time, so that slots change their key constantly: a torn read would show a
 * station at another's port. Static entries (VLAN 1) stand among them and must be found every single time.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { MacControl } from '#rxsteer/forward/mac-control.js';
import {
  createMacTable,
  Header,
  SLOT_DELETED,
  SLOT_EMPTY,
  SLOT_WORDS,
  Slot,
} from '#rxsteer/forward/mac-layout.js';

const THREADS = 3;
const PORTS = 5;
const STATIONS = 60;
const MOVERS = 20;
const FIXED = 20;
const OPERATIONS = 60_000;

interface Report {
  results: number[];
  hits: number;
  problems: string[];
}

describe('MAC table under several threads', () => {
  it('never shows a wrong port, never loses a present key, and its counts are exact', async () => {
    const memory = createMacTable({ capacity: 64, ports: PORTS, users: THREADS + 1, ageingSeconds: 3 });
    const control = new MacControl(memory, THREADS);
    for (let f = 0; f < FIXED; f++) control.addStatic(1, 0x0200, f, f % PORTS, 0);
    const go = new SharedArrayBuffer(4);
    const workers: Worker[] = [];
    const reports: Report[] = [];
    try {
      let here = 0;
      const started = resolvers();
      const ended = resolvers();
      for (let user = 0; user < THREADS; user++) {
        const workerData = {
          memory,
          user,
          operations: OPERATIONS,
          stations: STATIONS,
          movers: MOVERS,
          fixed: FIXED,
          ports: PORTS,
          go,
        };
        const worker = new Worker(new URL('./mac-stress.worker.mjs', import.meta.url), { workerData });
        workers.push(worker);
        worker.on('message', (message: 'here' | Report) => {
          if (message === 'here') {
            if (++here === THREADS) started.resolve();
          } else if (reports.push(message) === THREADS) ended.resolve();
        });
        worker.on('error', ended.reject);
      }
      await Promise.race([started.promise, ended.promise]);
      Atomics.store(new Int32Array(go), 0, 1);
      Atomics.notify(new Int32Array(go), 0);

      for (let round = 0; reports.length < THREADS; round++) {
        for (let s = round % 3; s < STATIONS; s += 3) control.remove(0, 0x0200, s);
        if (round % 16 === 0) control.flushPort((round / 16) % PORTS);
        // Lets the reports in; the other threads don't notice.
        await new Promise(setImmediate);
      }
      await ended.promise;
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }

    expect(reports.flatMap((report) => report.problems)).toEqual([]);
    const [known, learned, moved, contended, , full] = [0, 1, 2, 3, 4, 5].map((result) =>
      reports.reduce((sum, report) => sum + report.results[result]!, 0),
    ) as [number, number, number, number, number, number];
    const counters = control.counters();
    expect(counters).toMatchObject({ learned, moved, contended, full, learnLimited: 0 });
    // The test has tested something: all of it happened.
    for (const happened of [known, learned, moved, counters.flushed]) expect(happened).toBeGreaterThan(100);
    expect(control.size()).toBe(FIXED + learned - counters.aged - counters.flushed);

    const words = new Int32Array(memory);
    const { slotsAt, slots } = control as unknown as { slotsAt: number; slots: number };
    const keys = new Set<string>();
    const perPort = Array<number>(PORTS).fill(0);
    for (let i = 0; i < slots; i++) {
      const slot = slotsAt + i * SLOT_WORDS;
      expect(words[slot + Slot.version]! & 1).toBe(0);
      const key = words[slot]!;
      const next = words[slotsAt + ((i + 1) % slots) * SLOT_WORDS]!;
      if (key === SLOT_DELETED) expect(next).not.toBe(SLOT_EMPTY);
      if (key === SLOT_DELETED || key === SLOT_EMPTY) continue;
      const name = `${key} ${words[slot + Slot.keyLow]}`;
      expect(keys.has(name)).toBe(false);
      keys.add(name);
      const port = words[slot + Slot.port]!;
      if (port < PORTS) perPort[port]!++;
    }
    expect(keys.size).toBe(control.size());
    expect([0, 1, 2, 3, 4].map((p) => control.learnedOn(p))).toEqual(perPort);
    expect(words[Header.lock]).toBe(0);
  });
});

/** `Promise.withResolvers`, which Node 20 has not. */
function resolvers() {
  let resolve!: () => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
