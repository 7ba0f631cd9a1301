/**
 * Plain frames really leave through the AF_XDP socket, others do not. The sender gets a packet socket on one
 * interface and an AF_XDP socket on another, so that the way of each frame shows at the far ends.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';

const ADDON = fileURLToPath(new URL('../../build/Release/rxsteer.node', import.meta.url));

const SCRIPT = `
const n = require(${JSON.stringify(ADDON)});
const fs = require('node:fs');
const a = n.linkInfo('a0').index, b = n.linkInfo('b0').index;
const staging = new Uint8Array(new SharedArrayBuffer(n.xskStagingBytes));
const xsk = n.openXskSend(b, 0, staging);
const pool = new Uint8Array(new SharedArrayBuffer(8192));
const arrays = { off: new Int32Array(8), len: new Int32Array(8), flags: new Int32Array(8), result: new Uint8Array(8) };
for (let i = 0; i < 8; i++) {
  arrays.off[i] = 64 + i * 512;
  arrays.len[i] = 60;
  pool.fill(2, arrays.off[i], arrays.off[i] + 60);
}
arrays.flags[6] = arrays.flags[7] = 1;
const sender = new n.PacketSender(n.openPacketSend({ ifindex: a, bypass: true }), -1, pool, arrays, xsk, staging);
const sent = sender.send(0, 8);
const received = (name) => Number(fs.readFileSync('/proc/thread-self/net/dev', 'utf8').split(name + ':')[1].trim().split(/\\s+/)[1]);
console.log(JSON.stringify({ sent, results: [...arrays.result], xsk: received('b1'), packet: received('a1') }));
`;

/**
 * A TAP whose queue takes some frames, read by nobody at first, as the AF_XDP socket's device. Frames are numbered; those
 * that the socket does not take go to the packet socket, which is on another interface.
 */
const FULL_SCRIPT = `
const n = require(${JSON.stringify(ADDON)});
const fs = require('node:fs');
const { execFileSync } = require('node:child_process');
const tap = n.openTap({ name: 't0', queues: 1, offload: false });
execFileSync('ip', ['link', 'set', 't0', 'txqueuelen', process.argv[1], 'up']);
const staging = new Uint8Array(new SharedArrayBuffer(n.xskStagingBytes));
const xsk = n.openXskSend(tap.index, 0, staging, process.argv[2] === 'late');
const pool = new Uint8Array(new SharedArrayBuffer(64 * 512));
const arrays = { off: new Int32Array(64), len: new Int32Array(64).fill(60), flags: new Int32Array(64), result: new Uint8Array(64) };
const plain = n.openPacketSend({ ifindex: n.linkInfo('a0').index, bypass: true });
const sender = new n.PacketSender(plain, -1, pool, arrays, xsk, staging);
const received = () => Number(fs.readFileSync('/proc/thread-self/net/dev', 'utf8').split('a1:')[1].trim().split(/\\s+/)[1]);
const buffer = Buffer.alloc(2048);
let number = 0;
const burst = (count) => {
  for (let i = 0; i < count; i++) {
    arrays.off[i] = 64 + i * 512;
    pool.fill(2, arrays.off[i], arrays.off[i] + 60);
    pool[arrays.off[i] + 20] = number >> 8;
    pool[arrays.off[i] + 21] = number++;
  }
  sender.send(0, count);
};
const read = () => {
  const numbers = [];
  for (;;) {
    let length;
    try { length = fs.readSync(tap.fds[0], buffer); } catch { return numbers; }
    // Behind the virtio-net header.
    if (length === 70) numbers.push(buffer.readUInt16BE(30));
  }
};
const before = received();
for (let k = 0; k < 100; k++) burst(64);
const steps = [{ read: read(), elsewhere: received() - before }];
for (const count of [20, 64, 64, 20, 64]) {
  const then = received();
  burst(count);
  steps.push({ read: read(), elsewhere: received() - then });
}
console.log(JSON.stringify(steps));
`;

describe.skipIf(!canForward())('AF_XDP transmit', () => {
  it('takes plain frames; those with a virtio-net header go through the packet socket', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'a0', ns, 'a1');
      await lab.veth(ns, 'b0', ns, 'b1');
      const output = await lab.exec(ns, process.execPath, '-e', SCRIPT);
      expect(JSON.parse(output)).toEqual({ sent: 8, results: Array(8).fill(0), xsk: 6, packet: 2 });
    });
  });

  // The kernel takes 32 frames a call: the device refuses one in the middle of a call, as the first of the second call,
  // as the first of all, and the last.
  const CASES = [40, 32, 1, 63].flatMap((queue) => [[queue, 'as it is'] as const, [queue, 'late'] as const]);
  it.each(CASES)(
    'is used again when a device (queue of %i, kernel %s) takes frames again; each frame goes one way, no chunk twice',
    async (queue, kernel) => {
      await withLab(async (lab) => {
        const ns = await lab.namespace();
        // Nobody else's frames in the TAP's queue.
        await lab.exec(ns, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
        await lab.exec(ns, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
        await lab.veth(ns, 'a0', ns, 'a1');
        const steps = JSON.parse(await lab.exec(ns, process.execPath, '-e', FULL_SCRIPT, `${queue}`, kernel));
        let from = 0;
        for (const [step, sent] of [6400, 20, 64, 64, 20, 64].entries()) {
          const { read, elsewhere } = steps[step];
          const context = `step ${step}: ${JSON.stringify(steps[step])}`;
          // The first ones, each once, and all others elsewhere.
          expect(read, context).toEqual(Array.from({ length: read.length }, (_, i) => from + i));
          expect(read.length + elsewhere, context).toBe(sent);
          // The TAP's ring gives places back in batches of a few.
          expect(read.length, context).toBeGreaterThan(Math.min(sent, queue) - (step === 0 ? 1 : 8));
          from += sent;
        }
        expect(steps).toHaveLength(6);
      });
    },
  );
});
