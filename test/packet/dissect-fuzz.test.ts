/**
 * Nothing outside a frame is read: frames lie at the very end of an exact-size buffer (a read behind throws
 * RangeError through the DataView), and the bytes around a frame never change a result.
 */

import { expect, it } from 'vitest';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { BURST_MAX, Burst, Kind } from '#rxsteer/packet/burst.js';
import { describeFrame } from '#rxsteer/packet/describe.js';
import { DESCRIPTOR_WORDS } from '#rxsteer/packet/descriptor.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { findExAddresses } from '#rxsteer/packet/ipv6-ex.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { descriptorParts, frameSeeds } from '../support/frame-seeds.js';
import { WHOLE } from '../support/matrix.js';

const seeds = frameSeeds();
const PORT = 5;
/** Whole bursts. */
const FRAMES = (WHOLE ? 15_625 : 3000) * BURST_MAX;

/** A random frame: noise, or one of the seeds cut, flipped, or with interesting bytes. */
function makeFrame(random: SeededRandom): Uint8Array {
  if (random.below(8) === 0) return random.bytes(random.below(80));
  const seed = seeds[random.below(seeds.length)]!;
  const frame = seed.slice(0, random.below(4) === 0 ? random.below(seed.length + 1) : seed.length);
  for (let changes = random.below(5); changes > 0 && frame.length > 0; changes--) {
    const interesting = [
      0,
      1,
      4,
      6,
      8,
      17,
      0x7f,
      0x80,
      0xff,
      0x45,
      0x60,
      44,
      43,
      60,
      0x81,
      random.below(256),
    ];
    // Mostly in the headers, where it hurts.
    const at =
      random.below(2) === 0 ? random.below(frame.length) : Math.min(frame.length - 1, 12 + random.below(50));
    frame[at] = interesting[random.below(interesting.length)]!;
  }
  return frame;
}

const fields = [
  'kind',
  'ethertype',
  'l3',
  'l4',
  'vlan',
  'dmacHi',
  'dmacLo',
  'smacHi',
  'smacLo',
  'flow',
  'hash',
  'hashType',
  'worker',
  'bucket',
] as const;

const policies: (string | object)[] = [
  'rss:queues=4,types=ipv4+tcp-ipv4+udp-ipv4+ipv6+tcp-ipv6+udp-ipv6+ipv6-ex+tcp-ipv6-ex+udp-ipv6-ex',
  'rss:queues=4,symmetric=or-xor',
  'rss:queues=4,inner=ipip+gre+nvgre+vxlan+vxlan-gpe+geneve+gtpu+mpls+pppoe',
  'mac-hash:fields=both,queues=4',
  'pools:nic=ixgbe-82599',
  'rps:cpus=0-3',
  'mac:assign=static',
  'rss:nic=ena,queues=4,function=crc32',
  {
    policy: 'rss',
    nic: 'igb-i210',
    queues: 4,
    filters: {
      syn: { queue: 1 },
      tuples: [{ protocol: 6, tcpFlags: 16, queue: 2 }],
      flex: [{ bytes: '00'.repeat(60), mask: 'f0'.repeat(60), queue: 3 }],
    },
    rules: ['flow-type udp4 dst-port 2000 action 1', 'flow-type tcp6 src-ip 2001:db8::1 action 2'],
  },
];

/** Longer than any frame that is made. */
const TAIL_BYTES = 256;

it(`reads no byte outside the frame on ${FRAMES} random and mutated frames`, { timeout: 120_000 }, () => {
  const random = new SeededRandom(20);
  const steerings = policies.map((given) => compilePolicy(parsePolicy(given), { workers: 4 }));
  const ex = new Int32Array(2);
  const noise = random.bytes(BURST_MAX * TAIL_BYTES).map((byte) => byte | 1);
  const rounds = FRAMES / BURST_MAX;
  // Alone, each frame lies at the very end of a buffer: what reads behind it throws. Nor are whole descriptors asked
  // for, which must make no difference to the fields.
  const single = new Burst(new Uint8Array(TAIL_BYTES), false);
  single.port = PORT;
  const seenKinds = new Set<number>();
  for (let round = 0; round < rounds; round++) {
    const frames = Array.from({ length: BURST_MAX }, () => makeFrame(random));
    // Surrounded by bytes that are different everywhere, and never 0 so that they would matter.
    const total = frames.reduce((sum, frame) => sum + frame.length + 8, 8);
    const bytes = noise.slice(0, total);
    const together = new Burst(bytes);
    together.port = PORT;
    let at = 8;
    for (const frame of frames) {
      bytes.set(frame, at);
      together.add(at, frame.length);
      at += frame.length + 8;
    }
    const steering = steerings[round % steerings.length]!;
    dissectBurst(together);
    steering.steer(together);
    for (let i = 0; i < BURST_MAX; i++) {
      const start = TAIL_BYTES - frames[i]!.length;
      single.bytes.set(frames[i]!, start);
      single.n = 0;
      single.add(start, frames[i]!.length);
      dissectBurst(single);
      steering.steer(single);
      const shift = together.off[i]! - start;
      for (const field of fields) {
        let expected = single[field][0]!;
        if ((field === 'l3' || field === 'l4') && expected >= 0) expected += shift;
        if (together[field][i] !== expected) {
          expect.fail(
            `${field} of ${Buffer.from(frames[i]!).toString('hex')} depends on bytes outside the frame`,
          );
        }
      }
      const parts = together.parts.subarray(i * DESCRIPTOR_WORDS + 2, (i + 1) * DESCRIPTOR_WORDS);
      const wanted = descriptorParts(frames[i]!, i, together.vlan[i]!, PORT);
      for (let k = 0; k < wanted.length; k++) {
        if (parts[k] === wanted[k]) continue;
        expect.fail(`descriptor of ${Buffer.from(frames[i]!).toString('hex')}: ${parts} is not ${wanted}`);
      }
      const kind = single.kind[0]!;
      if (single.bad !== (kind & Kind.bad) / Kind.bad) expect.fail('bad frames are counted wrongly');
      seenKinds.add(kind & 0xff);
      const end = TAIL_BYTES;
      if ((kind & Kind.addresses) !== 0) {
        const length = (kind & Kind.ipMask) === Kind.ipv4 ? 20 : 40;
        if (single.l3[0]! + length > end) expect.fail('addresses beyond the frame');
      }
      if ((kind & Kind.ports) !== 0 && single.l4[0]! + 4 > end) expect.fail('ports beyond the frame');
      if ((kind & (Kind.ports | Kind.fragment)) === (Kind.ports | Kind.fragment))
        expect.fail('a fragment with ports');
      if (((kind & Kind.ipMask) !== 0) !== (single.flow[0] !== 0)) expect.fail('flow tag and IP disagree');
      if ((kind & (Kind.ipv6 | Kind.addresses)) === (Kind.ipv6 | Kind.addresses)) {
        findExAddresses(single, 0, ex);
        if (ex[0]! + 16 > end || ex[1]! + 16 > end) expect.fail('_EX addresses beyond the frame');
      }
      if (i === 0) describeFrame(single, 0);
    }
  }
  // The generator reaches the states that the checks are about.
  expect(seenKinds.size).toBeGreaterThan(30);
});
