/**
 * Texts of any UTF-16 units, with many of those that formats and terminals take for their own. fast-check's `binary`
 * strings are as odd, but take seconds to set up.
 */
import fc from 'fast-check';

const unit = fc.oneof(
  fc.constantFrom(...'"\\\n\r\t\x1b[;&<>\'`\u007f\u0085\u009b\u200f\u202e\u2028\ud83d\ude00\ufeff'.split('')),
  fc.nat(0x7f).map((code) => String.fromCharCode(code)),
  fc.nat(0xffff).map((code) => String.fromCharCode(code)),
  // Pairs of surrogates.
  fc.integer({ min: 0x1_0000, max: 0x10_ffff }).map((code) => String.fromCodePoint(code)),
);

export const anyText = (maxLength = 20): fc.Arbitrary<string> =>
  fc.array(unit, { maxLength }).map((units) => units.join(''));
