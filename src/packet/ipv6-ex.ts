/**
 * The addresses of Mobile IPv6 that the `_EX` hash types use instead of those of the IPv6 header.
 *
 * Promise: bounded by the packet, allocation free, pure. Only packets with extension headers come here, and only
 * when an `_EX` type is enabled, so this walks the headers a second time instead of burdening every dissection.
 *
 * Source (Microsoft, RSS hashing types; RFC 6275): the Home Address option (201) of a Destination Options header
 * replaces the source, the address of a Routing header of type 2 the destination; other routing types do not.
 */
import type { Burst } from './burst.js';
import { Protocol } from './protocol.js';

const HOME_ADDRESS = 201;
const PAD1 = 0;

/** Offset of the Home Address in a Destination Options header at `at` of `size` bytes, or -1. */
function findHomeAddress(view: DataView, at: number, size: number): number {
  const end = at + size;
  let position = at + 2;
  while (position < end) {
    const type = view.getUint8(position);
    if (type === PAD1) {
      position++;
      continue;
    }
    if (end - position < 2) return -1;
    const length = view.getUint8(position + 1);
    if (end - position < 2 + length) return -1;
    if (type === HOME_ADDRESS && length === 16) return position + 2;
    position += 2 + length;
  }
  return -1;
}

/**
 * Writes the absolute offsets of the 16-byte source and destination to hash to `out[0]` and `out[1]`, for frame `i`
 * of a dissected burst, which must be IPv6 with readable addresses.
 */
export function findExAddresses(burst: Burst, i: number, out: Int32Array): void {
  const { view } = burst;
  const ip = burst.l3[i]!;
  const frameEnd = burst.off[i]! + burst.len[i]!;
  const payload = view.getUint16(ip + 4);
  const stop = payload > 0 ? Math.min(frameEnd, ip + 40 + payload) : frameEnd;
  out[0] = ip + 8;
  out[1] = ip + 24;
  let protocol = view.getUint8(ip + 6);
  let position = ip + 40;
  while (
    protocol === Protocol.hopByHop ||
    protocol === Protocol.routing ||
    protocol === Protocol.destination
  ) {
    if (stop - position < 8) return;
    const size = (view.getUint8(position + 1) + 1) * 8;
    if (stop - position < size) return;
    if (protocol === Protocol.destination) {
      const home = findHomeAddress(view, position, size);
      if (home >= 0) out[0] = home;
    } else if (protocol === Protocol.routing && view.getUint8(position + 2) === 2 && size >= 24) {
      out[1] = position + 8;
    }
    protocol = view.getUint8(position);
    position += size;
  }
}
