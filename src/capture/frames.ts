/**
 * A capture as Ethernet frames, one after the other, for experiments.
 *
 * Promise: what `openCapture` reads, in file order, in the form in which the engine sees it (see capture/ethernet);
 * packets that are cut off inside a cooked header become empty frames. Every frame is a new array.
 */
import { ethernetLength, writeEthernet } from './ethernet.js';
import { openCapture } from './stream.js';

/**
 * Frames of a pcap or pcapng file, plain or compressed (gzip, zstd); '-' is standard input.
 *
 *     for await (const frame of captureFrames('in.pcap')) experiment.add(frame);
 *
 * @throws UserError when the file cannot be read, is empty, is no capture, or has a link type that is not supported.
 */
export async function* captureFrames(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const batch of await openCapture(path)) {
    for (let i = 0; i < batch.n; i++) {
      const linkType = batch.linkType[i]!;
      const length = ethernetLength(linkType, batch.len[i]!);
      const frame = new Uint8Array(Math.max(0, length));
      if (length > 0) writeEthernet(linkType, batch.bytes, batch.off[i]!, batch.len[i]!, frame, 0);
      yield frame;
    }
  }
}
