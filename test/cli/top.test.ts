/** `rxsteer top`: what is drawn for which figures, size and keys; and one frame of a real forwarder through a pipe. */
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TopModel, topModel } from '#rxsteer/cli/top-model.js';
import { renderTop, sortColumns } from '#rxsteer/cli/top-render.js';
import { keyName } from '#rxsteer/cli/top-screen.js';
import type { Paint } from '#rxsteer/cli/top-table.js';
import { FIRST_VIEW, press, VIEWS, type View } from '#rxsteer/cli/top-view.js';
import type { Summary } from '#rxsteer/dataplane/engine/summary.js';
import { type History, historyOf } from '#rxsteer/observe/history.js';
import { mergeHistory } from '#rxsteer/observe/history-merge.js';
import { finished } from '../observe/kit.js';
import { anyText } from '../support/any-text.js';
import { WHOLE } from '../support/matrix.js';
import { endAll, rxsteer, start } from './run-cli.js';

const plain = (text: string) => text;
const PAINT: Paint = {
  bold: plain,
  dim: plain,
  inverse: plain,
  red: plain,
  yellow: plain,
  green: plain,
  cyan: plain,
};

let now: Summary;
let history: History;
let model: TopModel;

beforeAll(async () => {
  const { recorder } = await finished();
  const summary = recorder.summary();
  // The same figures on every machine.
  const worker = (id: number, received: number, processed: number) => ({
    ...summary.workers[0]!,
    ...{ id, cpu: id, received, processed, handedOff: received - processed, busyMs: 250 + 500 * id },
    ...{ wakeupsReceived: 12 * id, deaths: id, txLock: { contended: 3, waitedNs: 1e6 } },
  });
  const before = {
    ...summary,
    durationMs: 1000,
    workers: [worker(0, 0, 0), worker(1, 0, 0)].map((one) => ({ ...one, busyMs: 0, wakeupsReceived: 0 })),
    handoffs: [],
    ports: summary.ports.map((port) => ({
      ...port,
      rx: { ...port.rx, packets: 0, bytes: 0 },
      delivered: { packets: 0, bytes: 0 },
      queues: port.queues.map((queue) => ({ ...queue, packets: 0, bytes: 0 })),
    })),
    totals: { ...summary.totals, received: 0, delivered: 0, transmitted: 0 },
  };
  now = {
    ...before,
    durationMs: 3000,
    workers: [worker(0, 3000, 2000), worker(1, 0, 1000)],
    handoffs: [{ from: 0, to: 1, packets: 1000, drops: 0, highWater: 77 }],
    ports: summary.ports.map((port) => ({
      ...port,
      rx: { ...port.rx, kernelDrops: 4 },
      queues: port.queues.map((queue) => ({ ...queue, worker: 0 })),
    })),
    totals: { ...summary.totals, inFlight: 5, dropped: { ...summary.totals.dropped, backlog: 9 } },
  };
  const rows = Array.from({ length: 60 }, (_, i) => i);
  history = {
    ...historyOf(recorder, null),
    rows: { first: 0, at: rows.map((i) => 1e12 + 1000 * i), ms: rows.map(() => 1000) },
    totals: { ...historyOf(recorder, null).totals, received: rows.map((i) => 100 * i) },
    workers: [],
    ports: [],
    queues: [],
    guests: [
      {
        ...{ mac: '02:00:00:00:00:01', owner: 1, port: 'a', workers: 2 },
        toPackets: rows.map((i) => 10 * i),
        fromPackets: rows.map(() => 0),
      },
    ],
    events: [{ id: 0, at: 1e12 + 5000, kind: 'apply', text: 'table: 64 of 128 buckets', durationMs: 1.5 }],
  };
  model = topModel({ before, now, history });
});

afterEach(endAll);

const screen = (columns: number, rows: number) => ({ columns, rows, paint: PAINT });
const frame = (view: View, columns = 80, rows = 24) =>
  renderTop(model, view, screen(columns, rows))
    .map((line) => line.trimEnd())
    .join('\n');

describe('the screen', () => {
  it('shows a bit of everything in 80 columns', () => {
    expect(frame(FIRST_VIEW)).toMatchInlineSnapshot(`
      "rxsteer  rss:queues=2  wire, order strict  2 workers  up 0:00:03
      in 1.50 k/s  out 1.50 k/s  dropped 5/s, 9 in all  kernel 4/s  reordered 0
      imbalance 1.33  in flight 5  moves 0   ▁▁▁▁▁▁▂▂▂▂▃▃▃▃▄▄▄▄▅▅▅▅▆▆▆▆▆▇▇▇▇██

       worker CPU busy                  recv/s  proc/s  handed/s  woken/s  waiting
            0   0 [||            13 %]  1.50 k  1.00 k       500        0        0
            1   1 [|||||||       38 %]       0     500      -500        6       77

      port/queue     worker  recv/s  bytes/s  sent/s kernel drops errors kind
      a                      1.50 k  90.0 kB       0            4      0 memory
        a/0               0  1.50 k  90.0 kB
      b                           0      0 B  1.50 k            4      0 memory

      guest                 to/s   from/s  owner port        workers ten minutes
      02:00:00:00:00:01      590        0      1 a                 2 ▁▁▁▂▂▃▃▄▄▅▅▅▆▆▇▇█

      from\\to        0       1
            0        ·     500
            1        -       ·




      1 overview  2 workers  3 ports  4 guests  5 handoffs  6 order  7 events  h help"
    `);
  });

  it.each(VIEWS.filter((name) => name !== 'overview'))('has a view of %s', (name) => {
    expect(frame({ ...FIRST_VIEW, name }, 80, 20)).toMatchSnapshot();
  });

  it('says what keys do, and that it is paused', () => {
    expect(frame({ ...FIRST_VIEW, help: true }, 80, 16)).toContain('q, Esc, Ctrl-C         end');
    expect(frame({ ...FIRST_VIEW, paused: true }).split('\n')[0]).toContain('PAUSED');
  });

  it('sorts, both ways, and marks the column', () => {
    const ids = (view: View) =>
      frame(view)
        .split('\n')
        .slice(5, 7)
        .map((line) => Number(line.trim().split(' ')[0]));
    const by = (column: number, down: boolean): View => ({
      ...{ ...FIRST_VIEW, name: 'workers' },
      sorting: { workers: { column, down } },
    });
    expect(ids(by(2, true))).toEqual([0, 1]);
    expect(ids(by(2, false))).toEqual([1, 0]);
    expect(frame(by(2, true)).split('\n')[4]).toContain('recv/s▼');
  });

  it('is never wider or higher than the terminal, whatever things are called', () => {
    const name = anyText(40);
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 200 }),
        fc.integer({ min: 6, max: 60 }),
        fc.constantFrom(...VIEWS),
        name,
        fc.nat(100),
        (columns, rows, view, text, scroll) => {
          const hostile: TopModel = {
            ...model,
            policy: text,
            ports: model.ports.map((port) => ({ ...port, name: text, kind: text })),
            guests: model.guests.map((guest) => ({ ...guest, port: text })),
            events: [{ id: 0, at: 0, kind: 'apply', text, durationMs: null }],
          };
          const lines = renderTop(hostile, { ...FIRST_VIEW, name: view, scroll }, screen(columns, rows));
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) {
            expect(line.length).toBeLessThanOrEqual(columns);
            // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
            expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
          }
        },
      ),
      { numRuns: WHOLE ? 300 : 60 },
    );
  });
});

describe('keys', () => {
  const at = { columns: 4, page: 10 };
  const pressed = (keys: readonly string[]) =>
    keys.reduce<View | null>((view, key) => (view === null ? null : press(view, key, at)), FIRST_VIEW);

  it('change views, sorting, place and pace', () => {
    expect(pressed(['4'])?.name).toBe('guests');
    expect(pressed(['left'])?.name).toBe('events');
    expect(pressed(['2', 's', 's', 'r'])?.sorting.workers).toEqual({ column: 1, down: false });
    expect(pressed(['2', 'S'])?.sorting.workers).toEqual({ column: 3, down: true });
    expect(pressed(['down', 'pagedown', 'up'])?.scroll).toBe(10);
    expect(pressed(['down', 'tab'])?.scroll).toBe(0);
    expect(pressed(['p', 'p'])?.paused).toBe(false);
    expect(pressed(['+', '+', '+', '+', '+'])?.everyMs).toBe(250);
    expect(pressed(['h', 'escape'])?.help).toBe(false);
    for (const key of ['q', 'escape', 'ctrl-c']) expect(pressed([key])).toBeNull();
    expect(pressed(['x'])).toEqual(FIRST_VIEW);
  });

  it('have the names that the terminal gives them', () => {
    expect(keyName('S', { name: 's', shift: true })).toBe('S');
    expect(keyName('\x1b[A', { name: 'up' })).toBe('up');
    expect(keyName('\x03', { name: 'c', ctrl: true })).toBe('ctrl-c');
    // With Ctrl a letter is another key.
    expect(keyName('\x1a', { name: 'z', ctrl: true })).toBe('ctrl-z');
    expect(pressed(['ctrl-p'])?.paused).toBe(false);
    expect(keyName('?', {})).toBe('?');
    expect(VIEWS.map(sortColumns).every((columns) => columns >= 0)).toBe(true);
  });
});

describe('histories', () => {
  it('asked for one after the other are one', () => {
    const cut = (from: number, to: number): History => ({
      ...history,
      next: to,
      rows: { first: from, at: history.rows.at.slice(from, to), ms: history.rows.ms.slice(from, to) },
      totals: { ...history.totals, received: history.totals.received.slice(from, to) },
      guests: history.guests.map((guest) => ({
        ...guest,
        toPackets: guest.toPackets.slice(from, to),
        fromPackets: guest.fromPackets.slice(from, to),
      })),
      events: from === 0 ? history.events : [],
    });
    const merged = mergeHistory(cut(0, 20), cut(20, 60));
    expect(merged.rows).toEqual(history.rows);
    expect(merged.totals.received).toEqual(history.totals.received);
    expect(merged.guests).toEqual(history.guests);
    expect(merged.events).toEqual(history.events);
    // No more than the forwarder keeps.
    const small = { ...cut(20, 60), kept: { ...history.kept, rows: 50 } };
    expect(mergeHistory(cut(0, 20), small).rows).toEqual({
      ...{ first: 10, at: history.rows.at.slice(10), ms: history.rows.ms.slice(10) },
    });
    // A guest that only one of them knows.
    const late = mergeHistory({ ...cut(0, 20), guests: [] }, cut(20, 60));
    expect(late.guests[0]!.toPackets.slice(0, 21)).toEqual([...new Array(20).fill(0), 200]);
    // Another forwarder under the same name.
    expect(mergeHistory(cut(0, 20), cut(0, 60))).toEqual(cut(0, 60));
  });
});

describe('rxsteer top', () => {
  it('prints one frame into a pipe, and says what is wrong', async () => {
    const forwarder = start([
      ...['forward', '--port', 'a=memory:source,rate=2000', '--port', 'b=memory:sink', '--workers', '2'],
      ...['--control', `/tmp/rxsteer-top-${process.pid}.sock`],
    ]);
    await expect.poll(() => forwarder.stderr, { timeout: 25_000 }).toContain('ready');
    const socket = ['--socket', `/tmp/rxsteer-top-${process.pid}.sock`];
    const { code, stdout } = await rxsteer(['top', ...socket]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^rxsteer {2}rss {2}wire, order strict {2}2 workers {2}up 0:/);
    expect(stdout).not.toContain('\x1b');
    expect(stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
    const wrong = await rxsteer(['top', ...socket, '--view', 'x']);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      `rxsteer: --view x: expected one of ${VIEWS.join(', ')}\n`,
    ]);
  }, 90_000);
});
