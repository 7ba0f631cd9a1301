/**
 * How many different MAC addresses there are, exactly, up to a limit.
 *
 * Promise: nothing is allocated for an address that was the last one seen in its place: captures have few
 * addresses and many packets. The all-zero address (what raw IP captures have) is not counted.
 */

const RECENT = 4096;
/** Beyond so many nobody steers by MAC; it bounds the memory. */
const ADDRESSES_MAX = 1 << 20;

export class MacSet {
  readonly #recent = new Int32Array(2 * RECENT);
  readonly #all = new Set<number>();

  get size(): number {
    return this.#all.size;
  }

  /** @param high first two bytes @param low last four */
  add(high: number, low: number): void {
    if ((high | low) === 0) return;
    const at = 2 * ((low ^ (low >>> 8) ^ (low >>> 16) ^ (low >>> 24) ^ high) & (RECENT - 1));
    if (this.#recent[at] === high && this.#recent[at + 1] === low) return;
    this.#recent[at] = high;
    this.#recent[at + 1] = low;
    if (this.#all.size < ADDRESSES_MAX) this.#all.add(high * 0x1_0000_0000 + (low >>> 0));
  }
}
