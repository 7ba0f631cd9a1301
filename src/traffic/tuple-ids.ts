/**
 * A set of flow tuples, for counting distinct ones exactly.
 *
 * Promise: exact (keys are compared, not hashes); memory grows with the distinct tuples only. Open addressing over
 * one typed array, because a JavaScript Set of a million strings takes ten times as much.
 */
import { type Burst, Kind } from '../packet/burst.js';

const WORDS = 10;

export class TupleSet {
  size = 0;
  #slots = 1024;
  #words = new Int32Array(1024 * WORDS);
  readonly #key = new Int32Array(WORDS);

  /**
   * Adds the directed 5-tuple of frame `i` of a dissected burst (ports 0 for fragments and protocols without
   * ports). True where it is new; false where it was there, or the frame is not IP.
   */
  addFrame(burst: Burst, i: number): boolean {
    const kind = burst.kind[i]!;
    if ((kind & Kind.addresses) === 0) return false;
    const { view } = burst;
    const key = this.#key;
    const ipv4 = (kind & Kind.ipMask) === Kind.ipv4;
    const addresses = burst.l3[i]! + (ipv4 ? 12 : 8);
    const words = ipv4 ? 2 : 8;
    key.fill(0);
    for (let w = 0; w < words; w++) key[w] = view.getInt32(addresses + 4 * w);
    if ((kind & Kind.ports) !== 0) key[8] = view.getInt32(burst.l4[i]!);
    // Never 0: an empty slot is known by this word.
    key[9] = ((kind >>> Kind.protocolShift) & 0xff) | (ipv4 ? 0x400 : 0x600);
    return this.#add(key);
  }

  #add(key: Int32Array): boolean {
    if (2 * this.size >= this.#slots) this.#grow();
    const at = this.#find(key);
    if (this.#words[at + 9] !== 0) return false;
    this.#words.set(key, at);
    this.size++;
    return true;
  }

  /** Where the key is, or would be put. */
  #find(key: Int32Array): number {
    let hash = 0;
    for (let w = 0; w < WORDS; w++) {
      hash = Math.imul(hash ^ key[w]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const words = this.#words;
    for (let slot = hash & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const at = slot * WORDS;
      if (words[at + 9] === 0) return at;
      let w = 0;
      while (w < WORDS && words[at + w] === key[w]) w++;
      if (w === WORDS) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#slots *= 2;
    this.#words = new Int32Array(this.#slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 9] === 0) continue;
      const key = old.subarray(at, at + WORDS);
      this.#words.set(key, this.#find(key));
    }
  }
}
