/** The history of a real engine: its rows add up to its counters. */
import { afterEach, describe, expect, it } from 'vitest';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { summarize } from '#rxsteer/dataplane/engine/summary.js';
import { historyOf } from '#rxsteer/observe/history.js';
import { Recorder } from '#rxsteer/observe/recorder.js';
import { ROWS } from '#rxsteer/observe/series.js';
import { engineOptions, ROOMY } from '../dataplane/engine/run-engine.js';

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
let engine: Engine;

afterEach(async () => {
  await engine.stop();
});

describe('the history', () => {
  it('adds up to what was counted, for every thing there is', async () => {
    const ports = ['a=memory:source,packets=3000,flows=64,guests=4', 'b=memory:sink'];
    engine = await Engine.start(engineOptions({ ports, workers: 2, policy: 'rss:queues=2', more: ROOMY }));
    const recorder = new Recorder(engine);
    await engine.drained;
    recorder.turn();
    recorder.turn();
    const summary = summarize(engine);
    const history = historyOf(recorder, engine.owners());
    const { length } = history.rows.at;
    expect(length).toBe(history.next);
    expect(sum(history.totals.received)).toBe(summary.totals.received);
    expect(sum(history.totals.delivered)).toBe(summary.totals.delivered);
    history.workers.forEach(({ processed, handedOff }, id) => {
      expect(sum(processed)).toBe(summary.workers[id]!.processed);
      expect(sum(handedOff)).toBe(summary.workers[id]!.handedOff);
    });
    expect(history.ports.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(sum(history.ports[0]!.rxPackets)).toBe(3000);
    expect(sum(history.queues[0]!.packets)).toBe(3000);
    const columns = [...history.workers, ...history.ports, ...history.queues, ...history.guests]
      .flatMap((thing) => Object.values(thing))
      .filter(Array.isArray);
    expect(columns.every((column) => column.length === length)).toBe(true);
    // Nothing new since.
    expect(historyOf(recorder, null, { since: history.next }).rows.at).toEqual([]);
  });

  it('tells guests, from the flows that are seen', async () => {
    const ports = ['a=memory:source,flows=64,guests=4,rate=20000', 'b=memory:sink'];
    engine = await Engine.start(engineOptions({ ports, workers: 2, policy: 'mac', more: ROOMY }));
    const recorder = new Recorder(engine);
    await expect.poll(() => recorder.guests.list().length, { timeout: 25_000 }).toBe(4);
    const [first] = recorder.guests.list();
    const owned = { mac: first!.mac, vlan: null, worker: 1, port: 0 };
    const { guests } = historyOf(recorder, [owned]);
    expect(guests.every(({ toPackets }) => sum(toPackets) > 0)).toBe(true);
    expect(guests.map(({ workers }) => workers)).toEqual([1, 1, 1, 1]);
    expect(guests[0]).toMatchObject({ owner: 1, port: 'a' });
    expect(guests[1]).toMatchObject({ owner: null, port: null });
  }, 60_000);

  it('goes on where a port of the same name stopped', async () => {
    const ports = ['a=memory:source,packets=10', 'b=memory:sink'];
    engine = await Engine.start(engineOptions({ ports, workers: 1, more: ROOMY }));
    const recorder = new Recorder(engine);
    await engine.drained;
    const { ports: counted } = recorder.summary();
    const [a, b] = counted;
    const port = (name: string, packets: number, removed: object = {}) => ({
      ...{ ...a!, name, rx: { ...a!.rx, packets }, queues: [{ ...a!.queues[0]!, packets }] },
      ...removed,
    });
    const gone = { removed: true as const };
    const old = port('c', 1000, gone);
    // Removed before this began; there and gone; and there again with more than it had before.
    const states = [
      [old],
      [port('c', 5), old],
      [port('c', 1005, gone), port('d', 50)],
      [port('d', 60), port('c', 2000), port('c', 1005, gone)],
    ];
    for (const state of states) {
      recorder.summary = () => ({ ...summarize(engine), ports: [b!, ...state] });
      recorder.turn();
    }
    const history = historyOf(recorder, null);
    const figures = (name: string) => history.ports.find((one) => one.name === name)!.rxPackets.slice(-4);
    expect(figures('c')).toEqual([0, 5, 0, 2000]);
    expect(figures('d')).toEqual([0, 0, 50, 10]);
    expect(history.queues.find((one) => one.port === 'c')!.packets.slice(-4)).toEqual([0, 5, 0, 2000]);
  });

  it('forgets the eleventh minute', async () => {
    const ports = ['a=memory:source,packets=10', 'b=memory:sink'];
    engine = await Engine.start(engineOptions({ ports, workers: 1, more: ROOMY }));
    const recorder = new Recorder(engine);
    const { bytes } = recorder;
    for (let i = 0; i < ROWS + 7; i++) recorder.turn();
    const history = historyOf(recorder, null);
    expect(history.rows.at).toHaveLength(ROWS);
    expect(history.rows.first).toBe(recorder.next - ROWS);
    expect(recorder.bytes).toBe(bytes);
  });
});
