/**
 * Mutations of byte strings, seeded: those of the usual fuzzers (flips, interesting numbers, cuts, splices, tokens).
 *
 * Promise: the same generator state gives the same bytes; the result is never longer than `most`.
 */
import type { SeededRandom } from '#rxsteer/hash/random.js';

const BYTES = [0, 1, 4, 6, 8, 17, 0x20, 0x2f, 0x3a, 0x45, 0x60, 0x7f, 0x80, 0x81, 0xff];
const WORDS = [0, 1, 7, 8, 14, 20, 40, 60, 127, 128, 255, 256, 1500, 2047, 2048, 32_767, 65_535, 0x7fff_ffff];
const NUMBERS = [
  '0',
  '1',
  '-1',
  '255',
  '256',
  '65536',
  '4294967296',
  '1e9',
  '9'.repeat(20),
  '0x10',
  '',
  '1.5',
];

/** One to six changes of a copy of `input`. */
export function mutate(
  random: SeededRandom,
  input: Uint8Array,
  corpus: readonly Uint8Array[],
  tokens: readonly Uint8Array[],
  most: number,
): Uint8Array {
  let bytes = Uint8Array.from(input);
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    bytes = change(random, bytes, corpus, tokens);
    if (bytes.length > most) bytes = bytes.slice(0, most);
  }
  return bytes;
}

function change(
  random: SeededRandom,
  bytes: Uint8Array<ArrayBuffer>,
  corpus: readonly Uint8Array[],
  tokens: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  // Lengths of pieces are short as a rule, and sometimes anything.
  const span = (most: number) => random.below(1 + (random.below(4) === 0 ? most : Math.min(most, 8)));
  switch (random.below(tokens.length > 0 ? 11 : 9)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
    case 2:
      if (at < bytes.length) bytes[at] = BYTES[random.below(BYTES.length)]!;
      return bytes;
    case 3: {
      if (at + 4 > bytes.length) return bytes;
      const view = new DataView(bytes.buffer);
      const word = WORDS[random.below(WORDS.length)]!;
      if (random.below(2) === 0) view.setUint16(at, word, random.below(2) === 0);
      else view.setUint32(at, word, random.below(2) === 0);
      return bytes;
    }
    case 4:
      return splice(bytes, at, span(bytes.length - at), new Uint8Array(0));
    case 5:
      return splice(bytes, at, 0, random.bytes(span(32)));
    case 6: {
      // A piece of itself again: nests, repeats, gives twice.
      const from = random.below(bytes.length + 1);
      return splice(bytes, at, 0, bytes.slice(from, from + span(bytes.length - from)));
    }
    case 7: {
      const other = corpus[random.below(corpus.length)] ?? bytes;
      const from = random.below(other.length + 1);
      return splice(bytes, at, span(bytes.length - at), other.slice(from, from + span(other.length - from)));
    }
    case 8:
      return number(random, bytes, at);
    default: {
      const token = tokens[random.below(tokens.length)]!;
      return splice(bytes, at, random.below(2) === 0 ? 0 : token.length, token);
    }
  }
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = bytes.subarray(at + remove);
  const result = new Uint8Array(at + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}

/** Another number in the place of the first one written in digits behind `at`. */
function number(random: SeededRandom, bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  const isDigit = (i: number) => i < bytes.length && bytes[i]! >= 0x30 && bytes[i]! <= 0x39;
  let from = at;
  while (from < bytes.length && !isDigit(from)) from++;
  let end = from;
  while (isDigit(end)) end++;
  if (from === end) return bytes;
  return splice(bytes, from, end - from, Buffer.from(NUMBERS[random.below(NUMBERS.length)]!));
}
