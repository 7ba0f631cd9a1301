/** When a worker that sleeps is woken for a guest's ring: one receiver, driven by hand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative, type NativeReceiver, type NativeSocketEvents } from '#rxsteer/addon/native.js';
import type { PortHost } from '#rxsteer/dataplane/ports/live-port.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import type { VhostUserPortSpec } from '#rxsteer/dataplane/ports/vhost-user/kind.js';
import { VhostUserPort } from '#rxsteer/dataplane/ports/vhost-user/vhost-port.js';
import { FrontEnd, noFrontEnd } from '../../../support/vhost-front.js';
import { guestFrame } from '../../../support/vhost-lab.js';
import { makeArrays, makePool, takeFrames } from '../harness.js';

const native = loadNative();
const missing = native === null ? 'no addon' : noFrontEnd();

describe.skipIf(missing !== null)(`kicks of a guest${missing === null ? '' : `: ${missing}`}`, () => {
  const pool = makePool();
  const arrays = makeArrays();
  let folder: string;
  let front: FrontEnd;
  let port: VhostUserPort;
  let receiver: NativeReceiver;
  let events: NativeSocketEvents;
  let woken = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
    const path = join(folder, 'a.sock');
    port = new VhostUserPort(native!, parsePort(`a=vhost-user:${path}`) as VhostUserPortSpec, () => {});
    port.follow({ changed() {} } as unknown as PortHost);
    front = new FrontEnd();
    await front.begin(path, { size: 1024 });
    receiver = new native!.VhostReceiver(
      port.backend.number,
      pool.nativeView(0),
      arrays,
      new Int32Array(arrays.off.length),
    );
    woken = 0;
    events = new native!.SocketEvents(() => {
      woken += events.take().length;
    });
  });

  afterEach(async () => {
    events.close();
    await front.end();
    receiver.close();
    port.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** As a worker does before it sleeps: what it is woken by afterwards came later. */
  const fallAsleep = () => {
    expect(receiver.receive(64)).toBe(0);
    receiver.arm!();
    woken = 0;
    events.arm(port.backend.event);
  };

  it('come once it sleeps, and again where all that it looked at was thrown away', async () => {
    fallAsleep();
    await front.send([guestFrame(1)]);
    await expect.poll(() => woken).toBe(1);
    expect(receiver.receive(64)).toBe(1);
    takeFrames(pool, arrays, 1);
    fallAsleep();
    // Nobody kicks: as if the driver had looked at the event index a moment too early.
    const none = Array(600).fill(Buffer.alloc(1));
    await front.send([...none, guestFrame(2)], { split: false, kick: false });
    await new Promise((resolve) => setImmediate(resolve));
    expect(woken).toBe(0);
    let got = 0;
    for (let looks = 1; got === 0; looks++) {
      got = receiver.receive(64);
      if (got > 0) break;
      expect(looks).toBeLessThan(10);
      // Told of once for each time that it was armed: the first time when it fell asleep.
      receiver.arm!();
      await expect.poll(() => woken).toBe(1);
      woken = 0;
      events.arm(port.backend.event);
    }
    expect(Buffer.from(takeFrames(pool, arrays, got)[0]!)).toEqual(Buffer.from(guestFrame(2)));
    // All is taken: nothing wakes it any more, and its guest kicks for the next frame.
    fallAsleep();
    await front.send([guestFrame(3)]);
    // Once for the kick, and once where what it was armed for before is told of only now.
    await expect.poll(() => woken).toBeGreaterThan(0);
  });
});
