/** A guest's memory while its rings run: plugged in, taken away, and logged for a migration; old drivers; an MTU. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { matrix } from '../../../support/matrix.js';
import { type FrontEnd, noFrontEnd } from '../../../support/vhost-front.js';
import { guestFrame, hex, VhostLab } from '../../../support/vhost-lab.js';

const missing = loadNative() === null ? 'no addon' : noFrontEnd();
/** Virtio 1, mergeable buffers: without both the header has 10 bytes. */
const [VERSION_1, MERGEABLE] = [2 ** 32, 2 ** 15];

describe.skipIf(missing !== null)(`a guest's memory${missing === null ? '' : `: ${missing}`}`, () => {
  let lab: VhostLab;
  let [a, b] = [] as unknown as [FrontEnd, FrontEnd];
  beforeEach(async () => {
    lab = new VhostLab();
    await lab.start();
  });
  afterEach(() => lab.end());

  /** Frames go both ways between the two. */
  async function passes(n: number): Promise<void> {
    await a.send([guestFrame(n), guestFrame(n, 1200)]);
    expect((await b.receive(2)).map((one) => one.frame)).toEqual([
      hex(guestFrame(n)),
      hex(guestFrame(n, 1200)),
    ]);
    const back = [guestFrame(n, 300, 2, 1), guestFrame(n, 60, 2, 1)];
    await b.send(back);
    expect((await a.receive(2)).map((one) => one.frame)).toEqual(back.map(hex));
  }

  const ways: [string, boolean][] = [
    ['as one region more', false],
    ['as another table', true],
  ];
  it.each(matrix(ways, [0]))('may be plugged in and taken away while rings run, %s', async (_, table) => {
    [a, b] = await lab.pair({ size: 16 }, { size: 16 });
    const before = lab.detail('b').memory;
    await passes(1);
    for (const one of [a, b]) await one.call('plug', { table });
    expect(lab.detail('b').memory).toBe(before + 0x400000);
    // Every buffer comes round: first those of before, then those in the new memory, then the others again.
    for (let n = 2; n < 14; n++) await passes(n);
    for (const one of [a, b]) await one.call('rehome');
    for (let n = 14; n < 26; n++) await passes(n);
    for (const one of [a, b]) await one.call('unplug', { table });
    expect(lab.detail('b').memory).toBe(before);
    await passes(26);
    expect(lab.detail('b').refused).toBe(0);
  });

  it('is marked where the device writes, as long as the front-end wants that', async () => {
    [a, b] = await lab.pair();
    await passes(1);
    for (const one of [a, b]) await one.call('log');
    for (const one of [a, b]) await one.call('snapshot');
    const frames = [guestFrame(2), guestFrame(2, 9000), guestFrame(2, 1400)];
    await a.send(frames);
    type Dirty = { changed: number[]; marked: number[] };
    // 2 frames in 1 buffer each came before; now 1 + 5 + 1.
    const to = await b.call<Dirty>('dirty', { ring: 0, count: 9 });
    // Buffers lie from page 32 on, two a page; the used ring of ring 0 begins in page 10.
    expect(to.changed).toContain(10);
    expect(to.changed.filter((page) => page >= 32).length).toBeGreaterThanOrEqual(4);
    expect(to.changed.filter((page) => !to.marked.includes(page))).toEqual([]);
    expect(to.marked.filter((page) => !to.changed.includes(page))).toEqual([]);
    // The sender's used ring is ring 1's: page 16 + 10.
    const from = await a.call<Dirty>('dirty', { ring: 1, count: 5 });
    expect(from.changed).toEqual([26]);
    expect(from.marked).toEqual([26]);
    // Called off: nothing is marked any more.
    await b.receive(3);
    await b.call('log', { on: false });
    await b.call('snapshot');
    await a.send([guestFrame(3)]);
    const off = await b.call<Dirty>('dirty', { ring: 0, count: 10 });
    expect(off.changed.length).toBeGreaterThan(0);
    expect(off.marked).toEqual([]);
  });

  it('has room for the short header of drivers before virtio 1', async () => {
    [a, b] = await lab.pair({ drop: VERSION_1 + MERGEABLE }, { drop: VERSION_1 + MERGEABLE });
    for (let n = 0; n < 3; n++) await passes(n);
    await a.send([guestFrame(4)], { split: false });
    expect((await b.receive(1))[0]).toMatchObject({ frame: hex(guestFrame(4)), header: '00'.repeat(10) });
    expect(lab.detail('b').features).not.toContain('version1');
  });

  it('and an MTU that its front-end tells', async () => {
    [a, b] = await lab.pair();
    const told = await a.call('raw', { request: 20, payload: '7805000000000000', flags: 9, reply: true });
    expect(told).toEqual({ reply: '0000000000000000' });
    expect(lab.detail('a').mtu).toBe(1400);
    await passes(1);
  });
});
