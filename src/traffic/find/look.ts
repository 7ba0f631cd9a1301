/**
 * Where the policy sends flows of a space: asks the policy itself, a burst at a time.
 *
 * Promise: each answer is that of the compiled policy to a frame of that flow. Checksums are not made anew, which no
 * steering reads. One thread; the arrays that it gives are valid until the next call.
 */
import { BURST_MAX, Burst } from '../../packet/burst.js';
import { dissectBurst } from '../../packet/dissect.js';
import type { Steering } from '../../policy/steering.js';
import type { FlowSpace } from './space.js';

/** What is wanted of a frame's decision. */
export interface Target {
  /** Queue, or worker. */
  readonly kind: 'queue' | 'worker';
  readonly number: number;
}

/** Asks a policy about copies of one frame. */
export class FlowLook {
  readonly burst: Burst;
  readonly #stride: number;

  constructor(
    readonly steering: Steering,
    readonly frame: Uint8Array,
  ) {
    this.#stride = (frame.length + 63) & ~63;
    this.burst = new Burst(new Uint8Array(BURST_MAX * this.#stride), false);
    this.at(null, [0n]);
  }

  /** Steers these flows, `BURST_MAX` at most; the burst says where they went. */
  at(space: FlowSpace | null, differences: readonly bigint[]): Burst {
    return this.#steer(differences.length, (i, off) => {
      this.burst.bytes.set(this.frame, off);
      space?.write(this.burst.bytes, off, differences[i]!);
    });
  }

  /** The same for whole frames, of the length of the first. */
  frames(frames: readonly Uint8Array[]): Burst {
    return this.#steer(frames.length, (i, off) => this.burst.bytes.set(frames[i]!, off));
  }

  #steer(count: number, fill: (i: number, off: number) => void): Burst {
    const { burst } = this;
    burst.n = 0;
    for (let i = 0; i < count; i++) {
      const off = i * this.#stride;
      fill(i, off);
      burst.add(off, this.frame.length);
    }
    dissectBurst(burst);
    this.steering.steer(burst);
    return burst;
  }

  /** Steers any number of flows, and calls for each. Stops where the call gives false. */
  each(
    space: FlowSpace,
    differences: Iterable<bigint>,
    seen: (difference: bigint, burst: Burst, i: number) => boolean | undefined,
  ): void {
    let pending: bigint[] = [];
    const flush = () => {
      const burst = this.at(space, pending);
      const goesOn = pending.every((difference, i) => seen(difference, burst, i) !== false);
      pending = [];
      return goesOn;
    };
    for (const difference of differences) {
      pending.push(difference);
      if (pending.length === BURST_MAX && !flush()) return;
    }
    if (pending.length > 0) flush();
  }
}

/** Whether frame `i` of a steered burst went there. */
export function wentTo(target: Target, burst: Burst, i: number): boolean {
  return (target.kind === 'queue' ? burst.rxq[i]! : burst.worker[i]!) === target.number;
}
