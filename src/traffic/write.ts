/**
 * Made traffic into a capture.
 *
 * Promise: one buffer, filled by the maker and written when it is full: no packet is copied on the way to the file.
 */
import { FRAME_ROOM, type TrafficMaker, WINDOW_BYTES } from './maker.js';
import type { RecordEncoder } from './records.js';
import type { ByteSink } from './sink.js';
import { type MadeSummary, summarizeMade } from './summary.js';

/** Makes all packets of the maker into the sink, which stays open. `onProgress` gets the part that is done. */
export async function writeTraffic(
  maker: TrafficMaker,
  encoder: RecordEncoder,
  sink: ByteSink,
  onProgress: (ratio: number) => void = () => {},
): Promise<MadeSummary> {
  await sink.write(encoder.fileHeader());
  const { view, plan } = maker;
  const full = WINDOW_BYTES - FRAME_ROOM - encoder.head - encoder.tail;
  const { head } = encoder;
  let at = 0;
  let bytes = 0;
  for (;;) {
    const length = maker.next(at + head);
    if (length > 0) {
      bytes += length;
      const seconds = Math.floor(maker.time / 1e9);
      at += encoder.finish(view, at, length, length, plan.start + seconds, maker.time - seconds * 1e9);
    }
    if (at > full || (length === 0 && at > 0)) {
      const wait = sink.write(maker.bytes.subarray(0, at));
      if (wait !== undefined) await wait;
      at = 0;
      onProgress(maker.made / plan.packets);
    }
    if (length === 0) break;
  }
  return summarizeMade(maker, bytes);
}
