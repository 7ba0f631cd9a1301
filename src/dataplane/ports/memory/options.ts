/**
 * What a memory source generates. Promise: plain data, which can be posted to a worker thread. The options that it is
 * written with are in `kind.ts`.
 */
export interface MemorySourceOptions {
  readonly target: 'source';
  /** Flows, each with its own addresses and ports; default 64. */
  readonly flows: number;
  /** Destination MACs 02:00:00:00:00:01 …; flow f goes to guest f mod guests; default 8. */
  readonly guests: number;
  /** Bytes of every frame without FCS, or 0 = imix: 60, 590 and 1514 bytes as 7 : 4 : 1. Default 60. */
  readonly size: number;
  /** Frames a second; 0 = as fast as they are taken. */
  readonly rate: number;
  /** Frames that become due at once when a rate is set; default 32. */
  readonly burst: number;
  /** Frames in all; 0 = endless. */
  readonly packets: number;
  /** Every choice comes from it; default 1. */
  readonly seed: number;
  /** Receive queues; queue q is polled by worker q mod workers. Default 1. See `mix.ts`. */
  readonly queues: number;
  /** Who carries `share` per cent of the frames: flow 0, or all flows of guest 0; default none. */
  readonly elephant: 'none' | 'flow' | 'guest';
  /** Per cent; default 50. */
  readonly share: number;
  /** Frames say when they were due (see `latency.ts`) and have no UDP checksum. Default off. */
  readonly stamp: boolean;
}
