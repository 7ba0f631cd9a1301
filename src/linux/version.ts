/**
 * What changed in the kernel's steering between releases, as named options.
 *
 * Promise: a `LinuxBehaviour` is plain data; `linuxBehaviour()` gives the set of one release, and any single
 * option can be overridden. Modules take the options they need, with the modern value as default.
 */
import { UserError } from '../errors.js';

/** What changed between kernel versions, each with a name of its own. */
export interface LinuxBehaviour {
  /** Slot of the per-queue flow table: low bits of the hash, or `hash_32` of it (6.15). */
  readonly flowSlot: 'mask' | 'hash32';
  /** Bucket of the flow limit: low bits, or `hash_32` (6.16). */
  readonly flowLimitBucket: 'mask' | 'hash32';
  /** Packets that the flow limit remembers (256 in 3.11's first release candidates). */
  readonly flowLimitHistory: 128 | 256;
  /** Where the flow limit is asked: under the queue's lock with its exact length, or before it. */
  readonly flowLimitWhere: 'locked' | 'lockless';
  /** A filter is stale after 10 * (size - 1), or 10 * size, packets of its CPU (6.15). */
  readonly arfsWindow: 'size-1' | 'size';
  /** A slot owned by another active flow is not overwritten (6.18). */
  readonly arfsSlotProtection: boolean;
  /** Entry of the socket flow table: a CPU, or a hash tag and a CPU (4.0). */
  readonly sockEntry: 'cpu' | 'tag';
  /** Largest `rps_flow_cnt`: what fits 32 bits, or a table of 2^31 - 1 bytes (7.1). */
  readonly flowCntLimit: 'u32' | 'int';
  /** The entry is wiped when its socket is unhashed (2.6.35-3.x, and again since 6.16). */
  readonly deleteAtUnhash: boolean;
  /** A one-CPU map without flow table skips the hash (2.6.37 to 3.x). */
  readonly singleCpuShortcut: boolean;
  /** The backlog's head counter moves with each packet, or once a poll (6.10). */
  readonly headCounter: 'packet' | 'poll';
  /**
   * What a flow slot gets as tail: a counter of accepted packets, or the head plus the length of the input queue
   * (2.6.35), which forgets packets that are being processed.
   */
  readonly tailCounter: 'head+length' | 'counter';
  /**
   * How the software hash is made symmetric: addresses and ports swapped together (before 6.0), sorted
   * independently with a signed comparison that fails for addresses exactly 2^31 apart (6.0 to 6.5), or sorted.
   */
  readonly canonical: 'together' | 'signed' | 'sorted';
}

/** A current kernel (6.x). */
export const MODERN: LinuxBehaviour = {
  flowSlot: 'hash32',
  flowLimitBucket: 'hash32',
  flowLimitHistory: 128,
  flowLimitWhere: 'lockless',
  arfsWindow: 'size',
  arfsSlotProtection: true,
  sockEntry: 'tag',
  flowCntLimit: 'int',
  deleteAtUnhash: true,
  singleCpuShortcut: false,
  headCounter: 'poll',
  tailCounter: 'counter',
  canonical: 'sorted',
};

/**
 * The behaviour of a release such as '6.18' or '5.10.3' (mainline; distribution kernels carry later changes too).
 * Throws `UserError` for text that is no version.
 */
export function linuxBehaviour(release: string): LinuxBehaviour {
  const m = /^(\d+)\.(\d+)(?:[.-].*)?$/.exec(release);
  if (m === null) throw new UserError(`kernel release "${release}": wanted MAJOR.MINOR, for example 6.18`);
  const v = Number(m[1]) * 1000 + Number(m[2]);
  const since = (major: number, minor: number) => v >= major * 1000 + minor;
  return {
    flowSlot: since(6, 15) ? 'hash32' : 'mask',
    flowLimitBucket: since(6, 16) ? 'hash32' : 'mask',
    flowLimitHistory: 128,
    flowLimitWhere: since(6, 19) ? 'lockless' : 'locked',
    arfsWindow: since(6, 15) ? 'size' : 'size-1',
    arfsSlotProtection: since(6, 18),
    sockEntry: since(4, 0) ? 'tag' : 'cpu',
    flowCntLimit: since(7, 1) ? 'int' : 'u32',
    deleteAtUnhash: since(6, 16) || !since(4, 0),
    singleCpuShortcut: !since(4, 0),
    headCounter: since(6, 10) ? 'poll' : 'packet',
    tailCounter: since(3, 0) ? 'counter' : 'head+length',
    canonical: since(6, 6) ? 'sorted' : since(6, 0) ? 'signed' : 'together',
  };
}
