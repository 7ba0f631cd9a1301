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
});
