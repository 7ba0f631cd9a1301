/**
 * The list of kinds, by a kind that the program does not know: a folder here and one call put it everywhere where kinds
 * are: the parser, help, the schema, real workers, the summary.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { helpBelow } from '#rxsteer/cli/help.js';
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { type Summary, summarize } from '#rxsteer/dataplane/engine/summary.js';
import type { AnyPortSpec, PortKind } from '#rxsteer/dataplane/ports/kind.js';
import { type PortSpec, portKinds, registerPortKind } from '#rxsteer/dataplane/ports/kinds.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { portSchema } from '#rxsteer/dataplane/ports/schema.js';
import { portForms } from '#rxsteer/dataplane/ports/usage.js';
import { engineOptions, ROOMY } from '../engine/run-engine.js';

/** A live port of the kind, as far as the test plays with what is behind it. */
interface Loopback {
  readonly followed: number;
  readonly frames: Uint8Array;
  plug(on: boolean): Promise<void>;
}

let kind: PortKind<AnyPortSpec>;
let unregister = () => {};
beforeAll(async () => {
  const url = new URL('./loopback/kind.mjs', import.meta.url).href;
  kind = ((await import(url)) as { loopbackKind: PortKind<AnyPortSpec> }).loopbackKind;
  unregister = registerPortKind(kind);
});
afterAll(() => unregister());

/** However busy the machine is. */
const poll = <T>(of: () => T) => expect.poll(of, { timeout: 60_000 });
const patterns = () => portSchema().anyOf.map(({ pattern }) => new RegExp(pattern, 'u'));

describe('a kind that is registered', () => {
  it('is parsed', () => {
    expect(parsePort('a=loop-back:x,queues=3,cpu=1,mac=02:00:00:00:00:01')).toMatchObject({
      ...{ kind: 'loop-back', name: 'a', pair: 'x', queues: 3, plugged: true },
      consumer: { kind: 'cpu', worker: 1 },
    });
    expect(() => parsePort('a=loop-back:x,queues=5')).toThrow(
      '--port a: queues=5: expected a whole number from 1 to 4',
    );
    expect(() => parsePort('a=loop-back:x,plug=on')).toThrow(
      'unknown option of port a "plug": did you mean plugged? known: queues, plugged, cpu, follow, mac, ip',
    );
    expect(() => parsePort('a=loopback:x')).toThrow('did you mean loop-back?');
  });

  it('is registered once, under a name that can be written', () => {
    expect(() => registerPortKind(kind)).toThrow('a kind of ports is called loop-back already');
    expect(() => registerPortKind({ ...kind, name: 'Loop:back' })).toThrow('is no name');
    expect(portKinds().map(({ name }) => name)).toEqual([
      'af_packet',
      'af_xdp',
      'tap',
      'vhost-user',
      'pcap',
      'memory',
      'loop-back',
    ]);
  });

  it('stands in the help and in the schema', async () => {
    expect(await helpBelow('forward')).toContain(
      '\n  loop-back:PAIR    an end of a pair: queues=N, plugged=on|off\n',
    );
    const { description, examples } = portSchema();
    expect([description.includes('loop-back:PAIR'), examples]).toEqual([
      true,
      expect.arrayContaining(['a=loop-back:PAIR']),
    ]);
    const matching = patterns().filter((pattern) => pattern.test('a=loop-back:x,plugged=off,queues=2'));
    expect(matching).toHaveLength(1);
  });
});

describe('the schema of a port', () => {
  it('takes whatever the parser takes', () => {
    const form = fc.constantFrom(...portForms());
    const options = form.chain(({ form: { options }, text, kind: { name } }) => {
      const target = text.replace(/IFACE|FILE|PAIR/, 'x0');
      const option = fc.constantFrom(...Object.entries(options)).chain(([key, one]) => {
        if (one.type === 'number')
          return fc.integer({ min: one.least, max: one.most }).map((n) => `${key}=${n}`);
        return fc
          .constantFrom(...(one.type === 'switch' ? ['on', 'off'] : one.values))
          .map((v) => `${key}=${v}`);
      });
      const common = fc.constantFrom(
        'cpu=1',
        'follow=7',
        'mac=02:00:00:00:00:01',
        'ip=10.0.0.0/8',
        'size=imix',
        '',
      );
      const list = fc.array(fc.oneof(option, common), { maxLength: 4 });
      return list.map((given) => ({ name, text: `a=${[target, ...given].join(',')}` }));
    });
    let taken = 0;
    fc.assert(
      fc.property(options, ({ text }) => {
        try {
          parsePort(text);
        } catch {
          return;
        }
        taken++;
        expect(
          patterns().filter((pattern) => pattern.test(text)),
          text,
        ).toHaveLength(1);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it.each([
    'a=b',
    'a=tap:',
    'tap:x',
    'a=tap:x,queue=1',
    'a=tap:x,queues=many',
    'a=memory:cat',
    'a=pcap:x,mode=append',
  ])('refuses %s', (text) => {
    expect(patterns().some((pattern) => pattern.test(text))).toBe(false);
    expect(() => parsePort(text)).toThrow();
  });
});

const without = loadNative() === null ? 'the addon is not built' : '';

describe.skipIf(without !== '')(`ports of a registered kind ${without}`, () => {
  const start = (ports: readonly string[], workers: number, mode?: 'switch') =>
    Engine.start(
      engineOptions({ ports, workers, more: { ...ROOMY, ...(mode === undefined ? {} : { mode }) } }),
    );
  const portOf = (summary: Summary, name: string) => summary.ports.find((port) => port.name === name)!;

  it('carry what real workers forward, each frame once and in order', async () => {
    const FRAMES = 3000;
    // What is sent into p is received from q.
    const far = await start(['q=loop-back:wire,queues=2', 'b=memory:sink'], 2);
    const near = await start(
      [`a=memory:source,packets=${FRAMES},flows=50,queues=2`, 'p=loop-back:wire,queues=2'],
      2,
    );
    await near.drained;
    await poll(() => summarize(far).totals.delivered).toBe(FRAMES);
    await near.stop();
    await far.stop();
    const [sent, received] = [summarize(near), summarize(far)];
    expect(sent.totals).toMatchObject({
      received: FRAMES,
      transmitted: FRAMES,
      reordered: 0,
      framesLeaked: 0,
    });
    expect(received.totals).toMatchObject({
      received: FRAMES,
      delivered: FRAMES,
      reordered: 0,
      framesLeaked: 0,
    });
    expect(portOf(sent, 'p')).toMatchObject({
      ...{ kind: 'loop-back', detail: { plugged: true, pair: 'wire' } },
      tx: { packets: FRAMES, errors: 0 },
    });
    // The kind's senders have chosen the last queue, whichever worker they are of, and share it through its lock.
    expect(portOf(sent, 'p').txByWorker.filter((packets) => packets > 0)).toHaveLength(2);
    expect(portOf(received, 'q').queues.map(({ packets }) => packets)).toEqual([0, FRAMES]);
  });

  it('may be down until somebody comes, and again when he has left, at the moment when it happens', async () => {
    const near = await start(['a=memory:source,rate=20000', 'p=loop-back:guest,plugged=off'], 2);
    const port = near.live(1) as unknown as Loopback;
    // What a device would be given as its memory: the slots that workers take.
    expect(port.frames.buffer).toBe(near.memory.frames);
    const counts = () => {
      const { dropped, transmitted } = summarize(near).totals;
      return { down: dropped.portDown, transmitted };
    };
    await poll(() => counts().down).toBeGreaterThan(0);
    expect(counts().transmitted).toBe(0);
    await port.plug(true);
    // All workers have followed, so none drops any more; the other end takes nothing, so some frames find it full.
    const { down } = counts();
    await poll(() => counts().transmitted).toBeGreaterThan(0);
    expect(counts().down - down).toBeLessThanOrEqual(2 * 64);
    await port.plug(false);
    const { transmitted } = counts();
    await poll(() => counts().down).toBeGreaterThan(down + 1000);
    expect(counts().transmitted - transmitted).toBeLessThanOrEqual(2 * 64);
    expect(port.followed).toBe(2);
    await near.stop();
    expect(summarize(near).totals).toMatchObject({ inFlight: 0, framesLeaked: 0 });
  });

  it('come to a running switch and leave it', async () => {
    const engine = await start(['a=memory:source,rate=20000', 'b=memory:sink', 'c=memory:sink'], 2);
    const spec: AnyPortSpec = parsePort('p=loop-back:late,plugged=off');
    await engine.addPort(spec as PortSpec);
    const port = engine.live(3) as unknown as Loopback;
    await port.plug(true);
    await poll(() => portOf(summarize(engine), 'p').tx.packets).toBeGreaterThan(0);
    await engine.removePort('p');
    expect(engine.live(3)).toBeUndefined();
    expect(portOf(summarize(engine), 'p')).toMatchObject({ kind: 'loop-back', removed: true });
    await engine.stop();
    expect(summarize(engine).totals).toMatchObject({ inFlight: 0, framesLeaked: 0 });
  });
});
