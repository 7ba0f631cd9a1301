/**
 * The last decision of a NIC, as those read it that put it into words.
 *
 * Promise: what it holds is of the last frame that was decided about; `NicModel` implements it.
 */
import type { FilterStage } from './filters.js';
import type { FragmentRule } from './hash-types.js';
import type { IndirectionTable } from './indirection-table.js';
import type { NtupleTable } from './ntuple.js';
import type { PoolQueues } from './pool-queues.js';
import type { PoolSwitch } from './pools.js';
import type { TrafficClasses } from './traffic-classes.js';

/** What chose the queue. */
export type NicStage =
  | Exclude<FilterStage, 'none'>
  | 'flow-rule'
  | 'rule-drop'
  | 'atr'
  | 'class'
  | 'rss'
  | 'default'
  | 'dropped';

/** What chose the queue of one frame, and the numbers behind it. */
export interface NicDecision {
  readonly options: { readonly pools?: { readonly select: PoolSwitch } };
  readonly rules: Pick<NtupleTable, 'rule'>;
  readonly poolQueues: PoolQueues | null;
  readonly classes: TrafficClasses | null;
  /** Mask of enabled hash types. */
  readonly types: number;
  readonly fragmentRule: FragmentRule;
  readonly stage: NicStage;
  /** Queue, or index inside the pool or traffic class; -1 where the frame is dropped. */
  readonly index: number;
  /** -1 where the frame is dropped. */
  readonly queue: number;
  readonly pool: number;
  readonly bucket: number;
  /** Location of the flow rule; -1 where none matched. */
  readonly location: number;
  readonly context: number;
  /** The indirection table that the bucket is of. */
  table(): IndirectionTable;
}
