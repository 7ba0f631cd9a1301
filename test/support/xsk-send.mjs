/**
 * Sends through an AF_XDP socket and prints, as JSON, which way each frame went: `node xsk-send.mjs both`,
 * `node xsk-send.mjs scribble`, or `node xsk-send.mjs full QUEUE late|probe`. Runs where it is started, as root: in a network namespace of a test
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
    staging,
    xsk,
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
 * veth pairs a0-a1 and b0-b1, AF_XDP on b0. Between bursts every word of the staging memory is overwritten; then the
 * socket is used with memory that is not its own, and by a number that is no AF_XDP socket any more. Tells
 * how many frames were sent and which pair has got them.
 */
function scribble() {
  const b0 = native.linkInfo('b0').index;
  const { pool, arrays, sender, staging, xsk } = senderOf(64, b0);
  const capture = native.openPacketReceive({
    ifindex: native.linkInfo('b1').index,
    slots: 4096,
    promiscuous: true,
  });
  const words = new Int32Array(staging.buffer);
  const answers = [];
  for (const word of [-1, 0, 1, 0x7fff_ffff, 0x4141_4141, -0x8000_0000]) {
    words.fill(word);
    answers.push(sender.send(0, 64));
  }
  sender.close();
  const taken = native.packetUnread(capture);
  const before = received('a1');
  const path = Int32Array.of(0, 0);
  const plain = native.openPacketSend({ ifindex: native.linkInfo('a0').index, bypass: true });
  const others = [];
  // Not its own memory; none that it ever was; a descriptor that is closed, and the number given again.
  const other = new Uint8Array(new SharedArrayBuffer(native.xskStagingBytes));
  const attempt = (fd, memory) => {
    const one = new native.PacketSender(plain, -1, path, pool, arrays, b0, fd, memory);
    others.push(one.send(0, 64));
    one.close();
  };
  attempt(xsk, other);
  attempt(plain, staging);
  native.closeDescriptor(xsk);
  attempt(xsk, staging);
  const again = native.openPacketSend({ ifindex: b0, bypass: true });
  attempt(again, staging);
  let refused = '';
  try {
    native.setXskMtu(again, 1500);
  } catch (error) {
    refused = error.message;
  }
  return { answers, taken, others, elsewhere: received('a1') - before, sameNumber: again === xsk, refused };
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
const run = { both, scribble, full: () => full(queue, kernel === 'late') }[what];
console.log(JSON.stringify(run()));
