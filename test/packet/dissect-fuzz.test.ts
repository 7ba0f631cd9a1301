/**
 * Nothing outside a frame is read: frames lie at the very end of an exact-size buffer (a read behind throws
 * RangeError through the DataView), and the bytes around a frame never change a result.
 */

import { expect, it } from 'vitest';
import { SeededRandom } from '#rxsteer/hash/random.js';
import {
  ethernet,
  fragmentExtension,
  geneve,
  gre,
  gtpu,
  homeAddressExtension,
  icmp,
  ipv4,
  ipv6,
  mpls,
  pppoe,
  routingExtension,
  sctp,
  tcp,
  udp,
  vxlan,
} from '#rxsteer/packet/build.js';
import { BURST_MAX, Burst, Kind } from '#rxsteer/packet/burst.js';
import { describeFrame } from '#rxsteer/packet/describe.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { findExAddresses } from '#rxsteer/packet/ipv6-ex.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

const v4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 1000, dport: 2000 };

const seeds: Uint8Array[] = [
  ethernet({}, ipv4(v4, tcp(ports, 10))),
  ethernet({}, ipv4(v4, udp(ports))),
  ethernet({ vlans: [5] }, ipv4({ ...v4, options: new Uint8Array(12) }, tcp(ports))),
  ethernet({ vlans: [{ id: 5, tpid: 0x88a8 }, 6] }, ipv6(v6, udp(ports, 4))),
  ethernet({}, ipv4({ ...v4, moreFragments: true }, udp(ports, 16))),
  ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension(0, true)] }, tcp(ports))),
  ethernet(
    {},
    ipv6(
      { ...v6, extensions: [homeAddressExtension('2001:db8::3'), routingExtension(2, '2001:db8::4')] },
      udp(ports),
    ),
  ),
  ethernet({}, ipv6({ ...v6, extensions: [{ type: 0, body: new Uint8Array(14) }] }, sctp(ports))),
  ethernet({}, ipv4(v4, gre({ key: 1 }, ipv4(v4, icmp({ type: 8 }))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 4789 }, vxlan(1, ethernet({}, ipv4(v4, tcp(ports))))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 6081 }, geneve(1, ipv6(v6, tcp(ports)))))),
  ethernet({}, ipv4(v4, udp({ sport: 9, dport: 2152 }, gtpu(1, ipv4(v4, tcp(ports)))))),
  ethernet({ vlans: [3] }, mpls([16, 17], ipv4(v4, tcp(ports)))),
  ethernet({}, pppoe(1, ipv6(v6, udp(ports)))),
];

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

const policies = [
  'rss:queues=4,types=ipv4+tcp-ipv4+udp-ipv4+ipv6+tcp-ipv6+udp-ipv6+ipv6-ex+tcp-ipv6-ex+udp-ipv6-ex',
  'rss:queues=4,symmetric=or-xor',
  'rss:queues=4,inner=ipip+gre+nvgre+vxlan+vxlan-gpe+geneve+gtpu+mpls+pppoe',
  'mac-hash:fields=both,queues=4',
  'pools:nic=ixgbe-82599',
  'rps:cpus=0-3',
  'mac:assign=static',
];

it('reads no byte outside the frame on 200,000 random and mutated frames', { timeout: 120_000 }, () => {
  const random = new SeededRandom(20);
  const steerings = policies.map((text) => compilePolicy(parsePolicy(text), { workers: 4 }));
  const ex = new Int32Array(2);
  const rounds = 200_000 / BURST_MAX;
  const seenKinds = new Set<number>();
  for (let round = 0; round < rounds; round++) {
    const frames = Array.from({ length: BURST_MAX }, () => makeFrame(random));
    // Alone at the end of a buffer of exactly its length …
    const alone = frames.map((frame) => {
      const burst = new Burst(frame);
      burst.add(0, frame.length);
      return burst;
    });
    // … and surrounded by bytes that are different everywhere, and never 0 so that they would matter.
    const total = frames.reduce((sum, frame) => sum + frame.length + 8, 8);
    const bytes = random.bytes(total).map((byte) => byte | 1);
    const together = new Burst(bytes);
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
      const single = alone[i]!;
      dissectBurst(single);
      steering.steer(single);
      const shift = together.off[i]!;
      for (const field of fields) {
        let expected = single[field][0]!;
        if ((field === 'l3' || field === 'l4') && expected >= 0) expected += shift;
        if (together[field][i] !== expected) {
          expect.fail(
            `${field} of ${Buffer.from(frames[i]!).toString('hex')} depends on bytes outside the frame`,
          );
        }
      }
      const kind = single.kind[0]!;
      seenKinds.add(kind & 0xff);
      const end = frames[i]!.length;
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
