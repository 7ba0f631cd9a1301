/**
 * A forwarder between real interfaces, and hostile guests around it, in one process inside a network namespace:
 *
 *     node live-fuzzer.mjs '{"seed": 1, "frames": 5000, "offload": "on", "policy": "rss"}'
 *
 * Frames are noise, or real ones cut and changed, of up to 64 KiB, each behind a virtio-net header that says anything. They
 * come as QEMU hands them to a TAP (g0), as the host sends them through a packet socket into a TAP port (vm0), and over
 * a veth pair (a0, b0). Then plain frames with a mark are sent: they must come out at the guest's TAP. Prints
 * {"summary", "tried", "accepted", "marked", "warnings", "failure"}.
 */
import { execFileSync } from 'node:child_process';
import { readSync, writeSync } from 'node:fs';
import { loadNative } from '../../dist/addon/native.js';
import { Engine } from '../../dist/dataplane/engine/engine.js';
import { engineDefaults } from '../../dist/dataplane/engine/plan.js';
import { summarize } from '../../dist/dataplane/engine/summary.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { SeededRandom } from '../../dist/hash/random.js';
import { ethernet, ipv4, ipv6, payloadBytes, tcp, udp } from '../../dist/packet/build.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const { seed, frames, offload, policy } = JSON.parse(process.argv[2]);
const HEADER = 10;
const MOST = 65_549;
const MARKED = 40;
/** An ethertype for experiments (IEEE 802), which nothing else sends. */
const MARK = 0x88b5;

const native = loadNative();
const random = new SeededRandom(seed);
const ip = (...args) => execFileSync('ip', args, { stdio: 'pipe' });
ip('link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'b0');
for (const link of ['a0', 'b0']) ip('link', 'set', link, 'up');
const guest = native.openTap({ name: 'g0', queues: 1, offload: true });
native.setLinkUp('g0');

const warnings = [];
const engine = await Engine.start({
  ...engineDefaults,
  ports: [
    ...[
      `g=af_packet:g0,offload=${offload}`,
      `v=tap:vm0,offload=${offload}`,
      `b=af_packet:b0,offload=${offload}`,
    ],
    's=memory:sink',
  ].map(parsePort),
  mode: 'switch',
  policy: parsePolicy(policy, { command: 'forward', workers: 2 }),
  policyText: policy,
  workers: 2,
  warn: (line) => warnings.push(line),
});
const senderOn = (name) => native.openPacketSend({ ifindex: native.linkInfo(name).index, bypass: false });
const ways = [guest.fds[0], senderOn('vm0'), senderOn('a0')];

const four = { src: '192.0.2.1', dst: '198.51.100.2' };
const six = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 1000, dport: 2000 };
const seeds = [
  ethernet({}, ipv4(four, tcp(ports, payloadBytes(1400)))),
  ethernet({}, ipv4(four, udp(ports, payloadBytes(20)))),
  ethernet({ vlans: [5] }, ipv6(six, tcp(ports, payloadBytes(600)))),
  ethernet({ vlans: [{ id: 5, tpid: 0x88a8 }, 6] }, ipv6(six, udp(ports, payloadBytes(90)))),
  ethernet({}, ipv4(four, tcp(ports, payloadBytes(9000)))),
];
const pick = (list) => list[random.below(list.length)];

function makeFrame() {
  if (random.below(12) === 0) return random.bytes(random.below(random.below(40) === 0 ? MOST : 200));
  const base = pick(seeds);
  const frame = base.slice(0, random.below(3) === 0 ? random.below(base.length + 1) : base.length);
  for (let changes = random.below(6); changes > 0 && frame.length > 0; changes--) {
    frame[random.below(random.below(2) === 0 ? frame.length : Math.min(frame.length, 60))] = pick([
      0,
      1,
      6,
      17,
      0x7f,
      0xff,
      0x45,
      random.below(256),
    ]);
  }
  // Other senders and receivers, so that the switch learns and floods.
  if (frame.length >= 12 && random.below(2) === 0) frame[5] = frame[11] = random.below(256);
  return frame;
}

/** Absurd, or nearly right. */
function makeHeader(length) {
  const header = Buffer.alloc(HEADER);
  const kind = random.below(4);
  if (kind === 0) return header;
  if (kind === 1) return Buffer.from(random.bytes(HEADER));
  header[0] = pick([0, 1, 2, 3]);
  header[1] = pick([0, 1, 3, 4, 5, 0x81, 0x84]);
  header.writeUInt16LE(pick([0, 14, 34, 54, 66, length & 0xffff, 0xffff]), 2);
  header.writeUInt16LE(pick([0, 1, 8, 100, 536, 1448, 9000, 0xffff]), 4);
  header.writeUInt16LE(pick([0, 14, 34, 38, 54, 0xffff]), 6);
  header.writeUInt16LE(pick([0, 6, 8, 16, 0xffff]), 8);
  return header;
}

/** Whether the kernel took it. */
function send(fd, header, frame) {
  try {
    writeSync(fd, Buffer.concat([header, frame]));
    return true;
  } catch {
    return false;
  }
}

const target = Buffer.alloc(1 << 17);
/** Reads what has come to the guest; how many of the frames are marked. */
function readGuest() {
  let marked = 0;
  for (;;) {
    let length;
    try {
      length = readSync(guest.fds[0], target);
    } catch {
      return marked;
    }
    if (length >= HEADER + 14 && target.readUInt16BE(HEADER + 12) === MARK) marked++;
  }
}

let accepted = 0;
for (let i = 0; i < frames; i++) {
  const frame = makeFrame();
  if (send(pick(ways), makeHeader(frame.length), frame)) accepted++;
  if (i % 64 === 0) {
    readGuest();
    // The engine's main thread is this one.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
// All that was sent has been received or dropped when nothing more is received.
const received = () => summarize(engine).totals.received;
for (let before = -1; before !== received(); ) {
  before = received();
  readGuest();
  await new Promise((resolve) => setTimeout(resolve, 100));
}
// A station that nobody has spoken for: flooded to every port.
const plain = Buffer.alloc(100);
plain.set([2, 0xee, 0, 0, 0, 1, 2, 0xee, 0, 0, 0, 2]);
plain.writeUInt16BE(MARK, 12);
let marked = 0;
const deadline = performance.now() + 20_000;
for (let i = 0; i < MARKED; i++) send(ways[2], Buffer.alloc(HEADER), plain);
while (marked < MARKED && performance.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  marked += readGuest();
}
await engine.stop();
const failure = engine.failure === null ? null : String(engine.failure);
const summary = summarize(engine);
process.stdout.write(JSON.stringify({ summary, tried: frames, accepted, marked, warnings, failure }));
