/**
 * Asks a compiled policy of the library where a packet goes.
 *
 * Promise: the shipped policy decides, on a dissected burst of one real frame. What it says of a flow is kept where it
 * says that it depends on the flow alone (`isByFlow`), until `forget`.
 */
import { Burst, FrameFlag } from '../../packet/burst.js';
import { dissectBurst } from '../../packet/dissect.js';
import type { Steering } from '../../policy/steering.js';
import type { Flows } from './flows.js';

/** Bytes of a frame that policies see: all headers that they look at. */
export const FRAME_BYTES = 256;

/** The library's view of one frame. */
export class FrameBurst {
  readonly burst = new Burst(new Uint8Array(FRAME_BYTES), false);

  /** Fills the burst with one frame, dissected. */
  fill(frame: Uint8Array, port: number, queue: number): Burst {
    const { burst } = this;
    burst.n = 0;
    burst.port = port;
    burst.queue = queue;
    burst.bytes.set(frame, 0);
    // Cut off behind the headers: lengths that point beyond it are no contradiction.
    burst.add(0, frame.length, FrameFlag.truncated);
    dissectBurst(burst);
    return burst;
  }
}

export class PolicyRunner {
  readonly #frame = new FrameBurst();
  /** What it said of the last packet. */
  worker = 0;
  queue = -1;
  hash = 0;
  /** Its burst, for policies that are told what became of it. */
  readonly burst: Burst;

  constructor(
    public steering: Steering,
    private readonly flows: Flows,
    /** Index of the port that packets come in by. */
    private readonly port: number,
  ) {
    this.burst = this.#frame.burst;
  }

  /** Asks about a packet of a flow that came in by a receive queue. */
  ask(flow: number, rxQueue: number): void {
    const burst = this.#frame.fill(this.flows.frameOf(flow), this.port, rxQueue);
    this.steering.steer(burst);
    this.worker = burst.worker[0]!;
    this.queue = burst.rxq[0]!;
    this.hash = burst.hash[0]!;
  }

  /** What the policy that there is now says is the hash of a frame, whatever takes its place later; 0 = it has none. */
  hasher(): (frame: Uint8Array) => number {
    const { steering, port } = this;
    const view = new FrameBurst();
    return (frame) => {
      const burst = view.fill(frame, port, 0);
      steering.steer(burst);
      return burst.hash[0]!;
    };
  }

  /** A frame of somebody is seen on a port, so that policies that learn know of it. */
  show(frame: Uint8Array, port: number): void {
    this.steering.steer(this.#frame.fill(frame, port, 0));
  }
}
