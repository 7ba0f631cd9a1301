/** A frame pool of one worker and the arrays of a receiver, for tests of ports. */

import { loadNative, RECEIVE_STATUS_WORDS } from '#rxsteer/addon/native.js';
import { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { allocateShared, Carver } from '#rxsteer/dataplane/memory/layout.js';
import { carvePool, FramePool, poolBytes } from '#rxsteer/dataplane/memory/pool.js';
import { divideSource, placeInTurn, type SourcePart } from '#rxsteer/dataplane/ports/memory/mix.js';
import { NativeMemorySource } from '#rxsteer/dataplane/ports/memory/native-source.js';
import type { MemorySourceOptions } from '#rxsteer/dataplane/ports/memory/options.js';
import { MemorySource } from '#rxsteer/dataplane/ports/memory/source.js';
import type { ReceiveArrays, Receiver } from '#rxsteer/dataplane/ports/port.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';

export function makePool(smallPerWorker = 512, largePerWorker = 4): FramePool {
  const size = { workers: 1, smallPerWorker, largePerWorker };
  const shared = allocateShared((carver) => carvePool(carver, size));
  const pool = new FramePool(
    new SharedArrayBuffer(poolBytes(size)),
    carvePool(new Carver(shared), size),
    size,
  );
  pool.bytes.fill(0xcc);
  pool.initialise();
  return pool;
}

export function makeArrays(length = 64): ReceiveArrays {
  const array = () => new Int32Array(length).fill(-1);
  return {
    id: array(),
    off: array(),
    len: array(),
    flags: array(),
    status: new Int32Array(RECEIVE_STATUS_WORDS),
  };
}

export function makeState(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Copies of the first n received frames; frees their slots. */
export function takeFrames(pool: FramePool, arrays: ReceiveArrays, n: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < n; i++) {
    const off = arrays.off[i]!;
    frames.push(pool.bytes.slice(off, off + arrays.len[i]!));
    pool.free(0, arrays.id[i]!);
  }
  return frames;
}

/** The options of a memory source as they are written. */
export function sourceOptions(
  given: Readonly<Record<string, string | number | boolean>>,
): MemorySourceOptions {
  const text = (value: string | number | boolean) =>
    typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
  const options = Object.entries(given).map(([key, value]) => `,${key}=${text(value)}`);
  const spec = parsePort(`s=memory:source${options.join('')}`);
  if (spec.kind !== 'memory' || spec.source === null) throw new Error(`${spec.text} is no source`);
  return spec.source;
}

/** The two memory sources: made in TypeScript, and by the addon. */
export type SourceKind = 'typescript' | 'native';

/** A memory source of worker 0 of a pool; `part`: default the flows of queue 0. */
export function makeSource(
  kind: SourceKind,
  options: MemorySourceOptions,
  pool: FramePool,
  arrays: ReceiveArrays,
  state: Int32Array,
  port = 0,
  part: SourcePart = divideSource(options, placeInTurn(options))[0]!,
): Receiver {
  if (kind === 'typescript') {
    return new MemorySource(options, port, pool, 0, arrays, state, new ThreadClock(null), part);
  }
  return new NativeMemorySource(loadNative()!, options, port, pool, 0, arrays, state, part);
}
