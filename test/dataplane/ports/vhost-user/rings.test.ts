/** Guests with several pairs of rings: a flow keeps its order whichever of them it takes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { noFrontEnd } from '../../../support/vhost-front.js';
import { guestFrame, hex, VhostLab } from '../../../support/vhost-lab.js';

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
  });
});
