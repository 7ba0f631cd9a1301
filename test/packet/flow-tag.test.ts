/** Flow tags: one rule however a frame is dissected, and nobody who lacks the keys makes two flows share one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { ethernet, ipv4, ipv6, udp } from '#rxsteer/packet/build.js';
import { Burst, FLOW_KEYS, KEYS, Kind } from '#rxsteer/packet/burst.js';
import { dissectBurst, dissectFrom } from '#rxsteer/packet/dissect.js';
import { flowTag, foldAddress, plainTag, tagOf } from '#rxsteer/packet/flow-tag.js';

const keyed = (seed: number, bytes = new Uint8Array(64 * 2048)) => {
  const burst = new Burst(bytes);
  const random = new SeededRandom(seed);
  burst.keyFlows(Int32Array.from({ length: FLOW_KEYS }, () => random.next()));
  return burst;
};
const DEFAULT = new Burst(new Uint8Array(64)).words;
const key = (n: number) => DEFAULT[KEYS + n]!;
const word = fc.integer();

/** x with x * odd = product, modulo 2^32. */
function divide(product: number, odd: number): number {
  let inverse = odd;
  for (let k = 0; k < 5; k++) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
  return Math.imul(product, inverse);
}
const turn = (x: number, by: number) => (x << by) | (x >>> (32 - by));

describe('a flow tag', () => {
  it('is the same by the common path, the long one, and from the fields afterwards, under any keys', () => {
    const ends = { src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' };
    const frames = [
      ethernet(ends, ipv4({ src: '10.1.2.3', dst: '10.4.5.6' }, udp({ sport: 7, dport: 65_000 }))),
      ethernet(
        { ...ends, vlans: [5] },
        ipv4({ src: '10.1.2.3', dst: '10.4.5.6' }, udp({ sport: 7, dport: 9 })),
      ),
      ethernet(ends, ipv6({ src: 'fe80::1', dst: '2001:db8::9' }, udp({ sport: 7, dport: 9 }))),
      ethernet(ends, ipv4({ src: '10.1.2.3', dst: '10.4.5.6', protocol: 47 }, new Uint8Array(40))),
      ethernet(ends, ipv6({ src: 'fe80::1', dst: '2001:db8::9' }, udp({ sport: 7, dport: 9 }))).subarray(
        0,
        40,
      ),
    ];
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const burst = keyed(seed);
        for (const [i, frame] of frames.entries()) {
          burst.bytes.set(frame, i * 2048);
          burst.add(i * 2048, frame.length);
        }
        dissectBurst(burst);
        const tags = burst.flow.slice(0, frames.length);
        for (const i of frames.keys()) {
          expect(tagOf(burst.words, burst, i)).toBe(tags[i]);
          const at = burst.off[i]!;
          dissectFrom(burst, i, burst.view.getUint16(at + 12), at + 14, at + burst.len[i]!, 0);
          expect(burst.flow[i]).toBe(tags[i]);
        }
        // By the default keys: what a burst that has no others says.
        const plain = new Burst(burst.bytes);
        for (const [i, frame] of frames.entries()) plain.add(i * 2048, frame.length);
        dissectBurst(plain);
        for (const i of frames.keys()) expect(tagOf(plain.words, burst, i)).toBe(plain.flow[i]);
      }),
      { numRuns: 50 },
    );
  });

  it('of another flow is found by calculation only where the keys are known', () => {
    let same = 0;
    fc.assert(
      fc.property(word, word, word, word, fc.nat(), (victim, mine, destination, ports, seed) => {
        fc.pre(victim !== mine);
        const rest = 17 << 12;
        const target = flowTag(DEFAULT, victim, destination, ports, rest);
        // The attacker's own source, and ports that make up for it.
        const b = turn(Math.imul(destination, key(1)), 9);
        const d = turn(Math.imul(rest, key(3)), 25);
        const c = turn(Math.imul(ports, key(2)), 17);
        const wanted = ((Math.imul(victim, key(0)) ^ b) + (c ^ d) - (Math.imul(mine, key(0)) ^ b)) | 0;
        const forged = divide(turn(wanted ^ d, 15), key(2));
        expect(flowTag(DEFAULT, mine, destination, forged, rest)).toBe(target);
        const { words } = keyed(seed);
        const differs = flowTag(words, mine, destination, forged, rest);
        if (differs === flowTag(words, victim, destination, ports, rest)) same++;
      }),
      { numRuns: 2000 },
    );
    expect(same).toBe(0);
  });

  it('differs under nearly all keys where two flows differ in chosen bits of two words', () => {
    // Highest bits cancel out under every multiplication that is not turned.
    const bits = [31, 30, 16, 15, 1, 0].map((bit) => 1 << bit);
    let same = 0;
    for (let seed = 0; seed < 300; seed++) {
      const { words } = keyed(seed);
      const tag = flowTag(words, 0x0a000001, 0x0a000002, 0x12340009, 17 << 12);
      for (const a of bits) {
        for (const b of bits) {
          if (flowTag(words, 0x0a000001 ^ a, 0x0a000002, 0x12340009 ^ b, 17 << 12) === tag) same++;
          if (flowTag(words, 0x0a000001 ^ a, 0x0a000002 ^ b, 0x12340009, 17 << 12) === tag) same++;
          if (plainTag(words, a, b, 1, 2) === plainTag(words, 0, 0, 1, 2)) same++;
        }
      }
    }
    expect(same).toBe(0);
  });

  it('folds IPv6 addresses by keys too', () => {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    // Two addresses that the default keys fold to one word: the last two words make up for each other.
    const words = [0x20010db8, 0, 7, 9];
    for (const [k, w] of words.entries()) view.setInt32(4 * k, w);
    const b = turn(Math.imul(words[2]!, key(6)), 17);
    const d = turn(Math.imul(words[3]!, key(7)), 25);
    const other = turn(Math.imul(8, key(6)), 17);
    view.setInt32(16, words[0]!);
    view.setInt32(20, words[1]!);
    view.setInt32(24, 8);
    view.setInt32(28, divide(turn(b ^ d ^ other, 7), key(7)));
    expect(foldAddress(DEFAULT, view, 16)).toBe(foldAddress(DEFAULT, view, 0));
    let same = 0;
    for (let seed = 0; seed < 300; seed++) {
      const { words } = keyed(seed);
      if (foldAddress(words, view, 16) === foldAddress(words, view, 0)) same++;
    }
    expect(same).toBe(0);
  });

  it('is 0 for what is not IP, and for nothing else', () => {
    fc.assert(
      fc.property(word, word, word, word, fc.nat(), (a, b, c, d, seed) => {
        const { words } = keyed(seed);
        expect(flowTag(words, a, b, c, d)).not.toBe(0);
        expect(plainTag(words, a, b, c, d)).not.toBe(0);
      }),
    );
    const burst = keyed(1);
    burst.add(0, 60);
    dissectBurst(burst);
    expect(burst.kind[0]! & Kind.ipMask).toBe(0);
    expect([burst.flow[0], tagOf(burst.words, burst, 0)]).toEqual([0, 0]);
  });
});
