/**
 * What changed in the block layer's mapping between kernel releases, as named options.
 *
 * Promise: `blockBehaviour()` gives those of a release from 5.15 on; any single one can be overridden. Distribution
 * kernels carry later changes too.
 */
import { UserError } from '../errors.js';

/** What changed between kernel releases. */
export interface BlockBehaviour {
  /** Queues without interrupts (`blk_mq_map_queues`): present CPUs in turn, siblings together; or grouped (6.3). */
  readonly plainMap: 'turns' | 'groups';
  /** Where there are fewer groups than nodes a group gets its nodes whole, or their CPUs of the present stage (5.18). */
  readonly fewGroups: 'node' | 'stage';
  /**
   * Order of nodes with equally many CPUs: heapsort that takes out one element at a time, or two but for the last three
   * (6.9), or two (6.11).
   */
  readonly sort: 'single' | 'double-single' | 'double';
  /** Groups without CPUs: they stay empty, or repeat those with CPUs (6.17). */
  readonly emptyGroups: 'stay' | 'repeat';
  /** Groups keep CPUs of one cluster together where there are enough of them (7.0). */
  readonly clusters: boolean;
  /**
   * A queue of one CPU completes where its interrupt is (6.1), also when that is another CPU (before 6.5).
   */
  readonly lonelyQueue: 'redirects' | 'stays' | 'stays-if-same';
  /** A CPU of another capacity does not complete in place of the submitter (6.9). */
  readonly capacity: boolean;
}

/** A current kernel (7.x). */
export const MODERN_BLOCK: BlockBehaviour = {
  plainMap: 'groups',
  fewGroups: 'stage',
  sort: 'double',
  emptyGroups: 'repeat',
  clusters: true,
  lonelyQueue: 'stays-if-same',
  capacity: true,
};

/**
 * The behaviour of a release such as '6.1' or '6.12.117-cloud'.
 * @throws UserError for text that is no version, or one before 5.15
 */
export function blockBehaviour(release: string): BlockBehaviour {
  const m = /^(\d+)\.(\d+)(?:[.-].*)?$/.exec(release);
  if (m === null) throw new UserError(`kernel release "${release}": wanted MAJOR.MINOR, for example 6.12`);
  const v = Number(m[1]) * 1000 + Number(m[2]);
  const since = (major: number, minor: number) => v >= major * 1000 + minor;
  if (!since(5, 15))
    throw new UserError(`kernel release "${release}": the block layer is known from 5.15 on`);
  return {
    plainMap: since(6, 3) ? 'groups' : 'turns',
    fewGroups: since(5, 18) ? 'stage' : 'node',
    sort: since(6, 11) ? 'double' : since(6, 9) ? 'double-single' : 'single',
    emptyGroups: since(6, 17) ? 'repeat' : 'stay',
    clusters: since(7, 0),
    lonelyQueue: since(6, 5) ? 'stays-if-same' : since(6, 1) ? 'stays' : 'redirects',
    capacity: since(6, 9),
  };
}
