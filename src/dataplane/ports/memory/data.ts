/** What workers know of a memory port: the layout of `PortInfo.data`. Promise: plain data. */
import type { MemorySourceOptions } from './options.js';

export interface MemoryData {
  /** What a source makes; null for a sink. */
  readonly source: MemorySourceOptions | null;
  /** Words of a source's queues: the number of the next frame. */
  readonly state: SharedArrayBuffer;
  /** Histogram of every sender of a sink, see `latency.ts`; null where ages are not counted. */
  readonly latency: SharedArrayBuffer | null;
  /** A guest's receive queues, which frames are copied into; null where frames are only counted. */
  readonly guest: SharedArrayBuffer | null;
}
