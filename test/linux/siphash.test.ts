// The published vectors: key 00 01 … 0f, input 00 01 … n-1, for n = 0 … 47.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SIPHASH_STATE_WORDS, SipHash } from '#rxsteer/linux/siphash.js';

const VECTORS = [
  '726fdb47dd0e0e31',
  '74f839c593dc67fd',
  '0d6c8009d9a94f5a',
  '85676696d7fb7e2d',
  'cf2794e0277187b7',
  '18765564cd99a68d',
  'cbc9466e58fee3ce',
  'ab0200f58b01d137',
  '93f5f5799a932462',
  '9e0082df0ba9e4b0',
  '7a5dbbc594ddb9f3',
  'f4b32f46226bada7',
  '751e8fbc860ee5fb',
  '14ea5627c0843d90',
  'f723ca908e7af2ee',
  'a129ca6149be45e5',
  '3f2acc7f57c29bdb',
  '699ae9f52cbe4794',
  '4bc1b3f0968dd39c',
  'bb6dc91da77961bd',
  'bed65cf21aa2ee98',
  'd0f2cbb02e3b67c7',
  '93536795e3a33e88',
  'a80c038ccd5ccec8',
  'b8ad50c6f649af94',
  'bce192de8a85b8ea',
  '17d835b85bbb15f3',
  '2f2e6163076bcfad',
  'de4daaaca71dc9a5',
  'a6a2506687956571',
  'ad87a3535c49ef28',
  '32d892fad841c342',
  '7127512f72f27cce',
  'a7f32346f95978e3',
  '12e0b01abb051238',
  '15e034d40fa197ae',
  '314dffbe0815a3b4',
  '027990f029623981',
  'cadcd4e59ef40c4d',
  '9abfd8766a33735c',
  '0e3ea96b5304a7d0',
  'ad0c42d6fc585992',
  '187306c89bc215a9',
  'd4a60abcf3792b95',
  'f935451de4f21df2',
  'a9538f0419755787',
  'db9acddff56ca510',
  'd06c98cd5c0975eb',
];

const hex = (v: number) => (v >>> 0).toString(16).padStart(8, '0');
const count = (n: number) => Uint8Array.from({ length: n }, (_, i) => i);

test.each(VECTORS.map((v, n) => [n, v] as const))('SipHash-2-4 of %i bytes is %s', (n, wanted) => {
  const sip = new SipHash(count(16));
  const low = sip.hashBytes(count(n), 0, n);
  expect(hex(sip.high) + hex(low)).toBe(wanted);
});

test('an offset into the buffer makes no difference', () => {
  const sip = new SipHash(count(16));
  const shifted = Uint8Array.of(99, 98, 97, ...count(20));
  expect(sip.hashBytes(shifted, 3, 20)).toBe(sip.hashBytes(count(20), 0, 20));
});

test('absorbing a prefix first gives the same hash', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer(), { minLength: 8, maxLength: 8 }),
      fc.integer({ min: 0, max: 4 }),
      (w, cut) => {
        const sip = new SipHash(count(16));
        const words = Int32Array.from(w);
        const whole = sip.finish(sip.initial, 0, words, 0, 8, 7, 32 << 24);
        const high = sip.high;
        const state = new Int32Array(3 + SIPHASH_STATE_WORDS);
        state.set(sip.initial, 3);
        sip.absorb(state, 3, words, 0, 2 * cut);
        expect(sip.finish(state, 3, words, 2 * cut, 8, 7, 32 << 24)).toBe(whole);
        expect(sip.high).toBe(high);
      },
    ),
  );
});

test('a key of another length is refused', () => {
  expect(() => new SipHash(count(15))).toThrow(/15 bytes: 16 bytes/);
});
