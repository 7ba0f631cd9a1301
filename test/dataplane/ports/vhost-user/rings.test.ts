/** Guests with several pairs of rings: a flow keeps its order whichever of them it takes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { type FrontEnd, type GuestFrame, noFrontEnd } from '../../../support/vhost-front.js';
import { flowsOf, GUEST, guestFrame, hex, VhostLab } from '../../../support/vhost-lab.js';

const missing = loadNative() === null ? 'no addon' : noFrontEnd();

describe.skipIf(missing !== null)(`several rings${missing === null ? '' : `: ${missing}`}`, () => {
  let lab: VhostLab;
  beforeEach(() => {
    lab = new VhostLab();
  });
  afterEach(() => lab.end());

  it('that a guest sends on have one poller: a flow that changes its ring is not overtaken', async () => {
    // Were the second ring worker 1's, that one would stand still with the first frame in its hands.
    await lab.start(',queues=2', { fault: 'receive@1=' });
    const [a, b] = await lab.pair({ pairs: 2 }, { pairs: 1 });
    await a.send([guestFrame(1, 60)], { pair: 1 });
    await a.call('sent', { pair: 1, count: 1 });
    // The guest has its buffer back: it may take another ring now.
    await a.send([guestFrame(1, 80)], { pair: 0 });
    expect((await b.receive(1))[0]!.frame).toBe(hex(guestFrame(1, 60)));
    expect((await b.receive(1))[0]!.frame).toBe(hex(guestFrame(1, 80)));
  });

  it('that a guest fills are each emptied in turn, and heard while they sleep', async () => {
    await lab.start(',queues=3');
    const [a, b] = await lab.pair({ pairs: 3 }, { pairs: 1 });
    for (const pair of [2, 0, 1, 1, 2, 0]) {
      await a.send([guestFrame(pair)], { pair });
      expect((await b.receive(1))[0]!.frame).toBe(hex(guestFrame(pair)));
    }
    const count = 20;
    for (const pair of [0, 1, 2]) await a.send(Array(count).fill(guestFrame(pair)), { pair });
    expect((await b.receive(3 * count)).length).toBe(3 * count);
    for (const pair of [0, 1, 2]) await a.call('sent', { pair, count: count + 2 });
    // One worker has each guest's frames: nobody else wants its ring.
    expect(lab.summary().workers.map(({ txLock }) => txLock)).toEqual(
      Array(2).fill({ contended: 0, waitedNs: 0 }),
    );
  });

  it('with guest-queue=worker: a flow that changes its worker changes its ring once the old one is empty', async () => {
    await lab.start(',queues=2,guest-queue=worker');
    const [a, b] = await lab.pair({ pairs: 2 }, { pairs: 2 });
    const rings = async () => {
      const got = [];
      for (const pair of [0, 1])
        got.push(flowsOf((await b.call<{ frames: GuestFrame[] }>('drain', { pair })).frames));
      return got;
    };
    const send = async (n: number) => {
      await a.send([guestFrame(1)]);
      await expect.poll(() => lab.summary().totals.transmitted).toBe(n);
    };
    await lab.engine.setOwner(GUEST(2), null, 0);
    await send(1);
    await lab.engine.setOwner(GUEST(2), null, 1);
    await send(2);
    expect(await rings()).toEqual([[1, 1], []]);
    await send(3);
    expect(await rings()).toEqual([[], [1]]);
    expect(lab.summary().ports[1]!.txByWorker).toEqual([1, 2]);
  });

  describe('with guest-queue=auto', () => {
    const reply = (k: number) =>
      ethernet(
        { src: GUEST(2), dst: GUEST(1), padTo: 60 },
        ipv4({ src: '10.0.0.2', dst: '10.0.0.1' }, udp({ sport: 80, dport: 1000 + k })),
      );
    const arrived = (n: number) => expect.poll(() => lab.summary().totals.transmitted).toBe(n);
    const drain = async (b: FrontEnd, pair: number) =>
      flowsOf((await b.call<{ frames: GuestFrame[] }>('drain', { pair })).frames);

    it('a flow follows the guest into the ring on which it sends, once the old one is empty', async () => {
      await lab.start(',queues=2,guest-queue=auto');
      const [a, b] = await lab.pair({ pairs: 2 }, { pairs: 2 });
      await a.send([guestFrame(1)]);
      await arrived(1);
      const first = [await drain(b, 0), await drain(b, 1)];
      const p = first[0]!.length === 1 ? 0 : 1;
      const q = 1 - p;
      expect(first[q]).toEqual([]);
      // What lies in the old ring has not been taken: the next one goes there, too.
      await a.send([guestFrame(1)]);
      await arrived(2);
      await b.send([reply(1)], { pair: q });
      await arrived(3);
      await a.send([guestFrame(1)]);
      await arrived(4);
      expect(await drain(b, q)).toEqual([]);
      expect(await drain(b, p)).toEqual([1, 1]);
      await a.send([guestFrame(1)]);
      await arrived(5);
      expect(await drain(b, p)).toEqual([]);
      expect(await drain(b, q)).toEqual([1]);
      // The guest disables the ring with a frame in it: no frame overtakes that one in the other ring.
      await a.send([guestFrame(1)]);
      await arrived(6);
      await b.call('enable', { ring: 2 * q, on: 0 });
      await a.send([guestFrame(1)]);
      await expect.poll(() => lab.summary().totals.dropped.txFull).toBe(1);
      expect(await drain(b, p)).toEqual([]);
      expect(await drain(b, q)).toEqual([1]);
      await a.send([guestFrame(1)]);
      await arrived(7);
      expect(await drain(b, p)).toEqual([1]);
    });
  });
});
