/**
 * Sends through an AF_XDP socket and prints, as JSON, which way each frame went: `node xsk-send.mjs both`, or
 * `node xsk-send.mjs full QUEUE late|probe`. Runs where it is started, as root: in a network namespace of a test
 * (test/native/xsk.test.ts) or in a virtual machine with another kernel (test/soak/kernels.test.ts). The interfaces
 * that it asks for are there, up, and quiet (no IPv6). What the output must be: xsk-verdict.ts.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const addon = fileURLToPath(new URL('../../build/Release/rxsteer.node', import.meta.url));
const native = createRequire(import.meta.url)(addon);

function received(name) {
  const text = readFileSync('/proc/thread-self/net/dev', 'utf8');
  return Number(text.split(`${name}:`)[1].trim().split(/\s+/)[1]);
}

/** Memory of `count` frames, and a sender: a packet socket on a0, an AF_XDP socket on the interface. */
function senderOf(count, ifindex, tellsLate) {
  const staging = new Uint8Array(new SharedArrayBuffer(native.xskStagingBytes));
  const xsk = native.openXskSend(ifindex, 0, staging, tellsLate);
  const pool = new Uint8Array(new SharedArrayBuffer(count * 512));
  const arrays = {
    off: Int32Array.from({ length: count }, (_, i) => 64 + i * 512),
    len: new Int32Array(count).fill(60),
    flags: new Int32Array(count),
    result: new Uint8Array(count),
  };
  for (const off of arrays.off) pool.fill(2, off, off + 60);
  const plain = native.openPacketSend({ ifindex: native.linkInfo('a0').index, bypass: true });
  return {
    pool,
    arrays,
    sender: new native.PacketSender(plain, -1, Int32Array.of(0, 0), pool, arrays, ifindex, xsk, staging),
  };
}

/** veth pairs a0-a1 and b0-b1: eight frames, two of them with a virtio-net header, AF_XDP on b0. */
function both() {
  const { arrays, sender } = senderOf(8, native.linkInfo('b0').index);
  arrays.flags[6] = arrays.flags[7] = 1;
  const sent = sender.send(0, 8);
  return { sent, results: [...arrays.result], xsk: received('b1'), packet: received('a1') };
}

/**
 * A veth pair a0-a1, and a TAP whose queue takes some frames, read by nobody at first, as the AF_XDP socket's device.
 * Frames are numbered; those that the socket does not take go to the packet socket, which is on another interface.
 */
function full(queue, tellsLate) {
  const tap = native.openTap({ name: 't0', queues: 1, offload: false });
  execFileSync('ip', ['link', 'set', 't0', 'txqueuelen', queue, 'up']);
  const { pool, arrays, sender } = senderOf(64, tap.index, tellsLate);
  const buffer = Buffer.alloc(2048);
  let number = 0;
  const burst = (count) => {
    for (let i = 0; i < count; i++) {
      pool[arrays.off[i] + 20] = number >> 8;
      pool[arrays.off[i] + 21] = number++;
    }
    sender.send(0, count);
  };
  const read = () => {
    const numbers = [];
    for (;;) {
      let length;
      try {
        length = readSync(tap.fds[0], buffer);
      } catch {
        return numbers;
      }
      // Behind the virtio-net header.
      if (length === 70) numbers.push(buffer.readUInt16BE(30));
    }
  };
  const before = received('a1');
  for (let k = 0; k < 100; k++) burst(64);
  const steps = [{ read: read(), elsewhere: received('a1') - before }];
  for (const count of [20, 64, 64, 20, 64]) {
    const then = received('a1');
    burst(count);
    steps.push({ read: read(), elsewhere: received('a1') - then });
  }
  return steps;
}

const [what, queue, kernel] = process.argv.slice(2);
console.log(JSON.stringify(what === 'both' ? both() : full(queue, kernel === 'late')));
