import { describe, expect, it } from 'vitest';
import { BATCH_MAX, Batch, Out } from '#rxsteer/forward/batch.js';
import { MacControl } from '#rxsteer/forward/mac-control.js';
import { createMacTable, Header, type MacTableOptions } from '#rxsteer/forward/mac-layout.js';
import { MacTable } from '#rxsteer/forward/mac-table.js';
import { Switch } from '#rxsteer/forward/switch.js';
import { Wire } from '#rxsteer/forward/wire.js';
import { BROADCAST, type Frame, put, STATION } from './support.js';

function make(options: Partial<MacTableOptions> = {}) {
  const memory = createMacTable({ capacity: 1024, ports: 4, users: 3, ...options });
  const control = new MacControl(memory, 2);
  const a = new Switch(new MacTable(memory, 0));
  const b = new Switch(new MacTable(memory, 1));
  return { control, a, b };
}

/** Decides frames in one go and returns where they went. */
function outs(forwarder: Switch | Wire, now: number, ...frames: Frame[]): number[] {
  const batch = new Batch();
  for (const frame of frames) put(batch, frame);
  batch.out.fill(99);
  forwarder.decide(batch, now);
  return [...batch.out.subarray(0, batch.n)];
}

describe('wire', () => {
  it('sends each port to the other, whatever the addresses', () => {
    const frames: Frame[] = [
      { port: 0, source: 1, destination: 2 },
      { port: 1, source: 2, destination: 1 },
      { port: 0, source: 1, destination: 1 },
      { port: 0, source: 1, destination: BROADCAST },
      { port: 1, source: 1, destination: [0x0180, 0xc2000000 | 0] },
    ];
    expect(outs(new Wire(), 0, ...frames)).toEqual([1, 0, 1, 1, 0]);
  });

  it('drops what has no Ethernet header, and has no route for a third port', () => {
    const frame = { source: 1, destination: 2 };
    expect(
      outs(
        new Wire(),
        0,
        { ...frame, port: 0, len: 13 },
        { ...frame, port: 0, len: 14 },
        { ...frame, port: 2 },
      ),
    ).toEqual([Out.malformed, 1, Out.noRoute]);
  });
});

describe('switch', () => {
  it('floods what it has not seen and forwards what it has, within one work too', () => {
    const { a } = make();
    expect(
      outs(
        a,
        0,
        { port: 0, source: 1, destination: 2 },
        { port: 1, source: 2, destination: 1 },
        { port: 0, source: 1, destination: 2 },
        { port: 2, source: 3, destination: 2 },
        { port: 0, source: 1, destination: 3 },
      ),
    ).toEqual([Out.flood, 0, 1, 1, 2]);
  });

  it('makes up for learning that another thread kept it from, unless the station has moved since', () => {
    const { control, a, b } = make();
    const words = new Int32Array(control.memory);
    words[Header.lock] = 3;
    const flooded = outs(
      a,
      0,
      { port: 1, source: 1, destination: BROADCAST },
      { port: 1, source: 2, destination: BROADCAST },
      { port: 0, source: 9, destination: 1 },
    );
    expect(flooded).toEqual([Out.flood, Out.flood, Out.flood]);
    words[Header.lock] = 0;
    outs(b, 0, { port: 2, source: 2, destination: BROADCAST });
    // Known before the first frame of the next call is decided.
    const frames: Frame[] = [
      { port: 0, source: 9, destination: 1 },
      { port: 0, source: 9, destination: 2 },
    ];
    expect(outs(a, 0, ...frames)).toEqual([1, 2]);
    expect(control.counters()).toMatchObject({ learned: 3, moved: 0, contended: 3 });
    expect(outs(a, 0, ...frames)).toEqual([1, 2]);
  });

  it('forgets skipped learning beyond a bound', () => {
    const { control, a } = make();
    const words = new Int32Array(control.memory);
    words[Header.lock] = 3;
    for (let source = 1; source <= 200; source++) outs(a, 0, { port: 1, source, destination: BROADCAST });
    words[Header.lock] = 0;
    outs(a, 0, { port: 2, source: 300, destination: BROADCAST });
    expect(control.learnedOn(1)).toBeGreaterThan(0);
    expect(control.learnedOn(1)).toBeLessThan(200);
  });

  it('what was put off is not learned any more when the port was forgotten meanwhile', () => {
    const { control, a } = make();
    const words = new Int32Array(control.memory);
    words[Header.lock] = 2;
    outs(a, 0, { port: 3, source: 1, destination: 9 }, { port: 1, source: 2, destination: 9 });
    words[Header.lock] = 0;
    expect(control.forgetPort(3)).toBe(0);
    outs(a, 1, { port: 0, source: 4, destination: 9 });
    expect([...control.entries(1)].map(({ port }) => port)).toEqual([0]);
    // The next one that is put off is learned again.
    words[Header.lock] = 2;
    outs(a, 1, { port: 3, source: 5, destination: 9 });
    words[Header.lock] = 0;
    expect(outs(a, 2, { port: 0, source: 4, destination: 5 })).toEqual([3]);
  });

  it('a station that others send to all the time stays young by its own rare frames', () => {
    const { control, a } = make({ ageingSeconds: 10 });
    outs(a, 0, { port: 1, source: 1, destination: 2 }, { port: 2, source: 2, destination: 1 });
    for (let now = 1; now <= 30; now++) {
      const frames = [{ port: 2, source: 2, destination: 1 }];
      if (now % 4 === 0) frames.push({ port: 1, source: 1, destination: 2 });
      const ports = outs(a, now, ...frames);
      expect(ports[0], `at ${now} s`).toBe(1);
    }
    expect([...control.entries(30)].map(({ port, ageSeconds }) => [port, ageSeconds]).sort()).toEqual([
      [1, 2],
      [2, 0],
    ]);
  });

  it('shares what it learns with the other workers from their next call on', () => {
    const { a, b } = make();
    expect(outs(b, 0, { port: 1, source: 2, destination: 1 })).toEqual([Out.flood]);
    expect(outs(a, 0, { port: 0, source: 1, destination: 2 })).toEqual([1]);
    expect(outs(b, 0, { port: 1, source: 2, destination: 1 })).toEqual([0]);
  });

  it('floods group addresses and never learns a source that can not be one', () => {
    const { a, control } = make();
    expect(
      outs(
        a,
        0,
        { port: 0, source: 1, destination: BROADCAST },
        { port: 0, source: 1, destination: [0x3333, 1] },
        { port: 0, source: [0x0100, 0x5e000001], destination: BROADCAST },
        { port: 0, source: [0, 0], destination: BROADCAST },
        { port: 1, source: 2, destination: [0, 0] },
      ),
    ).toEqual([Out.flood, Out.flood, Out.flood, Out.flood, Out.flood]);
    expect([...control.entries(0)].map((entry) => entry.mac)).toEqual(
      expect.arrayContaining(['02:00:00:00:00:01', '02:00:00:00:00:02']),
    );
    expect(control.size()).toBe(2);
  });

  it('filters frames back to their own port and the 16 link-local groups, but not their neighbours', () => {
    const { a } = make();
    const groups = [...Array(16).keys()].map((i) => [0x0180, 0xc2000000 | i | 0] as const);
    for (const destination of groups)
      expect(outs(a, 0, { port: 0, source: 1, destination })).toEqual([Out.filtered]);
    expect(
      outs(
        a,
        0,
        { port: 0, source: 1, destination: [0x0180, 0xc2000010 | 0] },
        { port: 0, source: 1, destination: [0x0180, 0xc2000100 | 0] },
        { port: 0, source: 1, destination: [0x0181, 0xc2000000 | 0] },
        { port: 0, source: 1, destination: 1 },
        { port: 0, source: 4, destination: 1 },
      ),
    ).toEqual([Out.flood, Out.flood, Out.flood, Out.filtered, Out.filtered]);
  });

  it('drops runts without learning from them', () => {
    const { a, control } = make();
    expect(outs(a, 0, { port: 0, source: 1, destination: 2, len: 13 })).toEqual([Out.malformed]);
    expect(outs(a, 0, { port: 0, source: 1, destination: 2, len: 0 })).toEqual([Out.malformed]);
    expect(control.size()).toBe(0);
  });

  it('keeps VLANs apart; priority tags and PCP bits are no VLANs', () => {
    const { a } = make();
    outs(a, 0, { port: 0, source: 1, destination: 9, vlan: 10 });
    outs(a, 0, { port: 1, source: 1, destination: 9, vlan: 20 });
    outs(a, 0, { port: 2, source: 1, destination: 9 });
    const towards = (vlan: number) => outs(a, 0, { port: 3, source: 3, destination: 1, vlan })[0];
    expect([10, 20, 0xe000 | 20, -1, 0, 0xa000, 30].map(towards)).toEqual([0, 1, 1, 2, 2, 2, Out.flood]);
  });

  it('follows a station to another port at once', () => {
    const { a, b, control } = make();
    outs(a, 5, { port: 0, source: 1, destination: 9 });
    expect(outs(b, 5, { port: 3, source: 3, destination: 1 })).toEqual([0]);
    expect(
      outs(a, 5, { port: 2, source: 1, destination: 3 }, { port: 3, source: 3, destination: 1 }),
    ).toEqual([3, 2]);
    expect(outs(b, 5, { port: 3, source: 3, destination: 1 })).toEqual([2]);
    expect(control.counters()).toMatchObject({ moved: 1, learned: 2 });
  });

  it('forgets a station after the ageing time and not before; frames from it keep it', () => {
    const { a, b } = make({ ageingSeconds: 300 });
    outs(a, 100, { port: 0, source: 1, destination: 9 });
    outs(b, 150, { port: 0, source: 1, destination: 9 });
    const probe = (now: number) => outs(a, now, { port: 3, source: 3, destination: 1 })[0];
    expect(probe(449)).toBe(0);
    expect(probe(450)).toBe(Out.flood);
    // Being a destination keeps nobody.
    expect(probe(451)).toBe(Out.flood);
  });

  it('never moves or ages a static entry, and lets it go when it is removed', () => {
    const { a, b, control } = make();
    outs(a, 0, { port: 2, source: 1, destination: 9 });
    expect(control.addStatic(0, STATION, 1, 1, 0)).toBe(true);
    const probe = (now: number) => outs(b, now, { port: 3, source: 3, destination: 1 })[0];
    expect(probe(0)).toBe(1);
    outs(a, 1, { port: 2, source: 1, destination: 9 });
    outs(a, 1, { port: 2, source: 1, destination: 9 });
    expect(probe(100_000)).toBe(1);
    expect(control.flushPort(1)).toBe(0);
    expect(probe(100_000)).toBe(1);
    expect(control.counters().moved).toBe(0);
    expect(control.remove(0, STATION, 1)).toBe(true);
    expect(probe(100_000)).toBe(Out.flood);
    expect(control.remove(0, STATION, 1)).toBe(false);
  });

  it('forgets the stations of a flushed port only', () => {
    const { a, control } = make();
    for (let s = 0; s < 100; s++) outs(a, 0, { port: s % 2, source: s, destination: BROADCAST });
    expect(control.flushPort(0)).toBe(50);
    const found = [...Array(100).keys()].map((s) => outs(a, 0, { port: 3, source: 1000, destination: s })[0]);
    expect(found).toEqual([...Array(100).keys()].map((s) => (s % 2 === 0 ? Out.flood : 1)));
    expect(control.learnedOn(0)).toBe(0);
  });

  it('decides alike however frames are cut into works', () => {
    const frames: Frame[] = [];
    let random = 12345;
    for (let i = 0; i < 2 * BATCH_MAX; i++) {
      random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
      frames.push({ port: (random >> 4) & 3, source: (random >> 8) & 31, destination: (random >> 16) & 31 });
    }
    const oneByOne = make();
    const expected = frames.flatMap((frame, i) => outs(i % 2 === 0 ? oneByOne.a : oneByOne.b, 0, frame));
    const { a } = make();
    const actual = [...outs(a, 0, ...frames.slice(0, BATCH_MAX)), ...outs(a, 0, ...frames.slice(BATCH_MAX))];
    expect(actual).toEqual(expected);
    expect(new Set(actual).size).toBeGreaterThan(4);
  });
});

/** After RFC 2889, 5.7 (address caching capacity) and 5.6 (forwarding to unknown addresses). */
describe('switch capacity', () => {
  const capacity = 4096;

  /** Teaches stations 0 … count-1 at port 1, then counts how many of them are flooded. */
  function flooded(count: number, learnLimit: number): number {
    const { a, b } = make({ capacity, learnLimit });
    const batch = new Batch();
    for (const [forwarder, learning] of [
      [a, true],
      [b, false],
    ] as const) {
      for (let s = 0; s < count; ) {
        batch.n = 0;
        for (; s < count && batch.n < BATCH_MAX; s++)
          put(
            batch,
            learning
              ? { port: 1, source: s, destination: BROADCAST }
              : { port: 0, source: [0, 0], destination: s },
          );
        forwarder.decide(batch, 7);
        if (!learning) for (let i = 0; i < batch.n; i++) if (batch.out[i] === Out.flood) unknown++;
      }
    }
    const result = unknown;
    unknown = 0;
    return result;
  }
  let unknown = 0;

  it('holds exactly its capacity, and floods every unknown destination', () => {
    expect(flooded(capacity, capacity)).toBe(0);
    expect(flooded(capacity + 1000, capacity + 1000)).toBe(1000);
  });

  it('learns exactly the limit per port and leaves the other ports their share', () => {
    expect(flooded(500, 200)).toBe(300);
    const { a, control } = make({ capacity, learnLimit: 200 });
    for (let s = 0; s < 500; s++) outs(a, 3, { port: 1, source: s, destination: BROADCAST });
    for (let s = 1000; s < 1100; s++) outs(a, 3, { port: 2, source: s, destination: BROADCAST });
    expect(control.learnedOn(1)).toBe(200);
    expect(control.learnedOn(2)).toBe(100);
    expect(control.counters()).toMatchObject({ learned: 300, learnLimited: 300, full: 0, contended: 0 });
  });
});
