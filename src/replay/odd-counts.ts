/**
 * Packets and bytes of flows that policies were asked about one by one: see flow-run.ts.
 *
 * Promise: exact; no memory until there is such a packet, then 16 bytes a flow. One thread.
 */
import type { Chunk } from './chunk.js';

export class OddCounts {
  /** Pairs: packets, bytes. */
  #counts = new Float64Array(0);

  /** Counts packets `chunk.odd[from] … chunk.odd[to - 1]` that are not plain. */
  add({ odd, flow: flows, flows: known, wire }: Chunk, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const entry = odd[at]!;
      const flow = flows[entry >> 1]!;
      if ((entry & 1) === 1 || flow < 0) continue;
      if (2 * flow >= this.#counts.length) this.#grow(known);
      this.#counts[2 * flow]! += 1;
      this.#counts[2 * flow + 1]! += wire[entry >> 1]!;
    }
  }

  packets(flow: number): number {
    return this.#counts[2 * flow] ?? 0;
  }

  bytes(flow: number): number {
    return this.#counts[2 * flow + 1] ?? 0;
  }

  #grow(flows: number): void {
    const grown = new Float64Array(Math.max(2 * this.#counts.length, 2 * flows));
    grown.set(this.#counts);
    this.#counts = grown;
  }
}
