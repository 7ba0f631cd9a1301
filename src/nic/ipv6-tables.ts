/**
 * Toeplitz by byte tables over the IPv6 packets of a burst.
 *
 * Promise: addresses and ports as they lie in the packet, no transform; nothing is allocated. Any thread may hash any
 * burst that it owns.
 *
 * Alone and spelled out: V8 inlines only so much into one function and calls the rest, and a function of this size it
 * does not inline itself. A loop over the words of an address takes 32 ns a packet where this takes 23. Each word is
 * read when it is looked up: read in advance, all of them and all addresses of table entries are spilled.
 */
import { BURST_MAX, type Burst, Field } from '../packet/burst.js';

// Constants of the module: docs/hot-loops.md.
const LAST = BURST_MAX - 1;
const L3 = Field.l3;
const L4 = Field.l4;
const HASH = Field.hash;

/**
 * Writes the hash of the packets `frames[0 … count - 1]`: IPv6 whose addresses and ports are readable.
 * @param table 256 words for each of 36 bytes (`Toeplitz.table`).
 */
export function hashIpv6Frames(
  burst: Burst,
  frames: Int32Array,
  count: number,
  table: Int32Array,
  start: number,
): void {
  const { view, words } = burst;
  for (let k = 0; k < count; k++) {
    const i = frames[k]! & LAST;
    const s = (words[L3 + i]! & 0x7fffffff) + 8;
    const w0 = view.getInt32(s);
    const h0 =
      table[w0 >>> 24]! ^
      table[256 + ((w0 >>> 16) & 255)]! ^
      table[512 + ((w0 >>> 8) & 255)]! ^
      table[768 + (w0 & 255)]!;
    const w1 = view.getInt32(s + 4);
    const h1 =
      table[1024 + (w1 >>> 24)]! ^
      table[1280 + ((w1 >>> 16) & 255)]! ^
      table[1536 + ((w1 >>> 8) & 255)]! ^
      table[1792 + (w1 & 255)]!;
    const w2 = view.getInt32(s + 8);
    const h2 =
      table[2048 + (w2 >>> 24)]! ^
      table[2304 + ((w2 >>> 16) & 255)]! ^
      table[2560 + ((w2 >>> 8) & 255)]! ^
      table[2816 + (w2 & 255)]!;
    const w3 = view.getInt32(s + 12);
    const h3 =
      table[3072 + (w3 >>> 24)]! ^
      table[3328 + ((w3 >>> 16) & 255)]! ^
      table[3584 + ((w3 >>> 8) & 255)]! ^
      table[3840 + (w3 & 255)]!;
    const w4 = view.getInt32(s + 16);
    const h4 =
      table[4096 + (w4 >>> 24)]! ^
      table[4352 + ((w4 >>> 16) & 255)]! ^
      table[4608 + ((w4 >>> 8) & 255)]! ^
      table[4864 + (w4 & 255)]!;
    const w5 = view.getInt32(s + 20);
    const h5 =
      table[5120 + (w5 >>> 24)]! ^
      table[5376 + ((w5 >>> 16) & 255)]! ^
      table[5632 + ((w5 >>> 8) & 255)]! ^
      table[5888 + (w5 & 255)]!;
    const w6 = view.getInt32(s + 24);
    const h6 =
      table[6144 + (w6 >>> 24)]! ^
      table[6400 + ((w6 >>> 16) & 255)]! ^
      table[6656 + ((w6 >>> 8) & 255)]! ^
      table[6912 + (w6 & 255)]!;
    const w7 = view.getInt32(s + 28);
    const h7 =
      table[7168 + (w7 >>> 24)]! ^
      table[7424 + ((w7 >>> 16) & 255)]! ^
      table[7680 + ((w7 >>> 8) & 255)]! ^
      table[7936 + (w7 & 255)]!;
    const w8 = view.getInt32(words[L4 + i]!);
    const h8 =
      table[8192 + (w8 >>> 24)]! ^
      table[8448 + ((w8 >>> 16) & 255)]! ^
      table[8704 + ((w8 >>> 8) & 255)]! ^
      table[8960 + (w8 & 255)]!;
    words[HASH + i] = start ^ h0 ^ h1 ^ h2 ^ h3 ^ h4 ^ h5 ^ h6 ^ h7 ^ h8;
  }
}
