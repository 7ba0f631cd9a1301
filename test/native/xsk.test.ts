/**
 * Plain frames really leave through the AF_XDP socket, others do not. The sender gets a packet socket on one
 * interface and an AF_XDP socket on another, so that the way of each frame shows at the far ends.
 */
import { describe, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { expectBoth, expectFull, expectScribble, FULL_CASES, XSK_SEND } from '../support/xsk-verdict.js';

describe.skipIf(!canForward())('AF_XDP transmit', () => {
  it('takes plain frames; those with a virtio-net header go through the packet socket', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'a0', ns, 'a1');
      await lab.veth(ns, 'b0', ns, 'b1');
      expectBoth(await lab.exec(ns, process.execPath, XSK_SEND, 'both'));
    });
  });

  it('follows nothing that JavaScript has written to the staging memory', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'a0', ns, 'a1');
      await lab.veth(ns, 'b0', ns, 'b1');
      expectScribble(await lab.exec(ns, process.execPath, XSK_SEND, 'scribble'));
    });
  });

  it.each(FULL_CASES)(
    'is used again when a device (queue of %i, kernel: %s) takes frames again; each frame goes one way, no chunk twice',
    async (queue, kernel) => {
      await withLab(async (lab) => {
        // Without IPv6: nobody else's frames in the TAP's queue.
        const ns = await lab.namespace();
        await lab.veth(ns, 'a0', ns, 'a1');
        expectFull(await lab.exec(ns, process.execPath, XSK_SEND, 'full', `${queue}`, kernel), queue);
      });
    },
  );
});
