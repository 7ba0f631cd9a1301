/**
 * Hostile frames and virtio-net headers through real TAPs and packet sockets: every frame is accounted for, no worker
 * dies, and a well-behaved sender is served afterwards. Minutes of it: `npm run soak`.
 */
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { fuzzLive } from './live.js';

describe.skipIf(!canForward())('frames that guests make up', () => {
  it('are accounted for, and the others are served', async () => {
    const { accepted, marked } = await fuzzLive({
      seed: 1,
      offload: 'off',
      policy: 'rss:queues=2',
      frames: 2500,
    });
    // The kernel itself refuses some.
    expect(accepted).toBeGreaterThan(500);
    expect(marked).toBe(40);
  });
});
