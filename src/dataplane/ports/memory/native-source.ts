/**
 * The memory source with the addon: one native call makes a burst.
 *
 * Promise: the frames of `MemorySource`, byte for byte and in the same order; it is a port, and ports receive natively.
 * The position is kept by the addon and lies in the state words after every call; reading the clock leaves no garbage.
 *
 * Threads: as `MemorySource`.
 */

import { performance } from 'node:perf_hooks';
import type { Native } from '../../../addon/native.js';
import type { FramePool } from '../../memory/pool.js';
import type { ReceiveArrays, Receiver } from '../port.js';
import type { SourcePart } from './mix.js';
import type { MemorySourceOptions } from './options.js';
import { indexIn, placeOf, sourceStep, untilDue } from './position.js';
import { mix, SourceTemplates } from './templates.js';

/** Words of a bound source's `call`: frames wanted, frames made. */
const MAX = 0;
const COUNT = 1;
/** Entries of its `clock`: number of the next frame; when its rate started and with which frame. */
const INDEX = 0;
const START_MS = 1;
const BASE = 2;

export class NativeMemorySource implements Receiver {
  readonly descriptor = -1;
  private readonly call = new Int32Array(2);
  private readonly clock = new Float64Array(3);
  private readonly make: () => void;

  /** Parameters as of `MemorySource`. */
  constructor(
    private readonly native: Native,
    private readonly options: MemorySourceOptions,
    port: number,
    private readonly pool: FramePool,
    private readonly worker: number,
    arrays: ReceiveArrays,
    state: Int32Array,
    private readonly part: SourcePart,
  ) {
    const { burst, seed, size, stamp } = options;
    const { heavyShare, packets, rate } = part;
    const templates = new SourceTemplates(options, port, part);
    const flows = part.ordinary.length;
    this.make = native.bindMemorySource(
      {
        ...placeOf(options, part, indexIn(state)),
        flows,
        elephants: part.heavy.length,
        step: sourceStep(seed, flows),
        seedMix: mix(seed),
        templates: templates.words,
        ipSums: templates.ipSums,
        udpSums: templates.udpSums,
        size,
        burst,
        stamp,
        heavyShare,
        packets,
        rate,
        // The same clock; one of them counts from when the thread started.
        originNs: native.monotonic() - performance.now() * 1e6,
      },
      pool.nativeView(worker),
      arrays,
      state,
      this.call,
      this.clock,
    );
  }

  receive(max: number): number {
    const { call, pool, worker } = this;
    if (pool.availableSmall(worker) < max) pool.reclaim(worker);
    call[MAX] = max;
    this.make();
    return call[COUNT]!;
  }

  finished(): boolean {
    return this.clock[INDEX]! >= this.part.packets;
  }

  dueInMs(now: number): number {
    if (this.finished()) return Number.POSITIVE_INFINITY;
    const given = this.clock[INDEX]! - this.clock[BASE]!;
    return untilDue(now, this.clock[START_MS]!, given, this.options.burst, this.part.rate);
  }

  close(): void {
    this.native.releaseBound(this.make);
  }
}
