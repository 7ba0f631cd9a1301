/**
 * A capture, packet by packet, through one steering function.
 *
 * Promise: frames are dissected and steered in the order of the file, as Ethernet frames (see capture/ethernet);
 * memory stays constant.
 */
import { ethernetLength, writeEthernet } from '../capture/ethernet.js';
import { openCapture } from '../capture/stream.js';
import { UserError } from '../errors.js';
import { BURST_MAX, Burst, FrameFlag } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import type { Steering } from '../policy/steering.js';

/** Where a packet stands after it was steered. */
export interface FedPacket {
  readonly burst: Burst;
  readonly index: number;
}

/**
 * Steers the packets 1 … `number` of a capture, and gives where the last one stands.
 * @throws UserError where the capture cannot be read or has fewer packets.
 */
export async function feedCapture(steering: Steering, file: string, number: number): Promise<FedPacket> {
  const capture = await openCapture(file);
  let seen = 0;
  for await (const batch of capture) {
    let next = 0;
    while (next < batch.n) {
      const count = Math.min(BURST_MAX, batch.n - next, number - seen);
      const lengths = Array.from({ length: count }, (_, i) =>
        Math.max(0, ethernetLength(batch.linkType[next + i]!, batch.len[next + i]!)),
      );
      const bytes = new Uint8Array(lengths.reduce((a, b) => a + b, 0));
      const burst = new Burst(bytes);
      let at = 0;
      for (let i = 0; i < count; i++) {
        const p = next + i;
        if (lengths[i]! > 0)
          writeEthernet(batch.linkType[p]!, batch.bytes, batch.off[p]!, batch.len[p]!, bytes, at);
        burst.add(at, lengths[i]!, batch.len[p]! < batch.original[p]! ? FrameFlag.truncated : 0);
        at += lengths[i]!;
      }
      dissectBurst(burst);
      steering.steer(burst);
      seen += count;
      next += count;
      if (seen === number) {
        await capture.close();
        return { burst, index: count - 1 };
      }
    }
  }
  throw new UserError(`--packet ${number}: ${file} has ${seen} packets`);
}
