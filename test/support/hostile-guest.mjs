/**
 * A guest that means harm, for as long as it is let: `node hostile-guest.mjs INTERFACE SEED`. In a loop it sends random
 * frames behind virtio-net headers that say anything, a flood of source addresses (02:ba:…, never anybody else's), and
 * broadcasts, some thousand frames a second. At SIGTERM it prints how many frames the kernel took.
 */
import { writeSync } from 'node:fs';
import { loadNative } from '../../dist/addon/native.js';
import { SeededRandom } from '../../dist/hash/random.js';
import { ethernet, ipv4, payloadBytes, tcp } from '../../dist/packet/build.js';

const [name, seed] = process.argv.slice(2);
const native = loadNative();
const link = native.linkInfo(name);
if (link === null) throw new Error(`there is no ${name}`);
const fd = native.openPacketSend({ ifindex: link.index, bypass: false });
const random = new SeededRandom(Number(seed));
const HEADER = 10;
const BURST = 64;
const PAUSE_MS = 10;

const super_ = ethernet(
  {},
  ipv4({ src: '192.0.2.1', dst: '198.51.100.2' }, tcp({ sport: 1, dport: 2 }, payloadBytes(9000))),
);
let sent = 0;
let running = true;
process.once('SIGTERM', () => {
  running = false;
});

/** An address of its own, a new one every time. */
function strange(frame, at) {
  frame.set([2, 0xba, ...random.bytes(4)], at);
}

function make() {
  const kind = random.below(4);
  const frame = kind === 0 ? Uint8Array.from(super_) : random.bytes(14 + random.below(200));
  if (kind === 1) frame.fill(0xff, 0, 6);
  else strange(frame, 0);
  strange(frame, 6);
  for (let changes = random.below(4); changes > 0; changes--) {
    frame[12 + random.below(frame.length - 12)] = random.below(256);
  }
  const header = Buffer.from(random.below(2) === 0 ? new Uint8Array(HEADER) : random.bytes(HEADER));
  if (kind === 0) {
    header.set([random.below(4), [1, 3, 4, 5][random.below(4)]]);
    header.writeUInt16LE([0, 8, 100, 1448][random.below(4)], 4);
  }
  return Buffer.concat([header, frame]);
}

process.stdout.write('ready\n');
while (running) {
  for (let i = 0; i < BURST; i++) {
    try {
      writeSync(fd, make());
      sent++;
    } catch {
      // The kernel refuses it, or the interface is gone.
    }
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
process.stdout.write(`${JSON.stringify({ sent })}\n`);
