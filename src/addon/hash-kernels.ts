/**
 * The addon's hash kernels as `HashKernels`.
 *
 * Promise: `nativeHashKernels()` gives the fastest kernel that the processor has, or one line that says why there is
 * none; never throws. `auto` gets carry-less multiplication only: the addon's own tables are for comparison, and for
 * who asks for native code on a processor without it.
 */
import { type BoundKernel, type HashKernels, type KernelOptions, KernelWord } from '../hash/kernel.js';
import { SYMMETRIC } from '../hash/tuple-hash.js';
import { BURST_MAX } from '../packet/burst.js';
import type { NativeHash } from './hash.js';
import { loadNative, type Native, nativeProblem } from './native.js';

/**
 * Frames from which on a call of the addon is faster than the tables, in a burst of mixed frames: bench suite
 * `toeplitz`, `burst of N` cases. The call costs as much as hashing 3 to 4 IPv4 tuples by tables.
 */
export const NATIVE_LEAST_FRAMES = 8;

class Kernels implements HashKernels {
  constructor(
    private readonly native: NativeHash,
    readonly name: string,
    readonly leastFrames: number,
  ) {}

  bind(options: KernelOptions, words: Int32Array, bytes: Uint8Array): BoundKernel {
    const control = new Int32Array(KernelWord.list + BURST_MAX);
    const { key, start, isHalved, select, targets } = options;
    const symmetric = SYMMETRIC.indexOf(options.symmetric);
    const table = targets === undefined ? {} : { targets };
    const settings = { key, start, isHalved, select, symmetric, kernel: this.name, ...table };
    return { control, run: this.native.bindBurstHash(settings, words, bytes, control) };
  }
}

/**
 * The kernels of one compiled policy: what it binds is given back by `release`, when nobody hashes with it any more.
 * The garbage collector does not know of it (66 KB and more for each key), and a worker thread gives it no turn.
 */
export class OwnedKernels implements HashKernels {
  readonly name: string;
  readonly leastFrames: number;
  private readonly bound: (() => void)[] = [];

  constructor(
    private readonly kernels: HashKernels,
    private readonly native: Pick<Native, 'releaseBound'>,
  ) {
    this.name = kernels.name;
    this.leastFrames = kernels.leastFrames;
  }

  bind(options: KernelOptions, words: Int32Array, bytes: Uint8Array): BoundKernel {
    const kernel = this.kernels.bind(options, words, bytes);
    this.bound.push(kernel.run);
    return kernel;
  }

  release(): void {
    for (const run of this.bound.splice(0)) this.native.releaseBound(run);
  }
}

/** Names of the kernels that this machine has, the fastest first; empty without the addon. */
export function nativeKernelNames(): readonly string[] {
  return loadNative()?.hashKernels ?? [];
}

/**
 * The kernels for `CompileOptions.kernels`: an object, or why there are none.
 * @param name a kernel of `nativeKernelNames()`, then used from the first frame on; default: the fastest.
 */
export function nativeHashKernels(name?: string): HashKernels | string {
  const native = loadNative();
  if (native === null) return nativeProblem();
  const names = native.hashKernels;
  if (name !== undefined) {
    return names.includes(name)
      ? new Kernels(native, name, 1)
      : `no hash kernel "${name}": ${names.join(', ')}`;
  }
  const fastest = names[0]!;
  return new Kernels(native, fastest, fastest === 'table' ? BURST_MAX + 1 : NATIVE_LEAST_FRAMES);
}
