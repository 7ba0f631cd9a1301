/**
 * What sweeps over captures and over scenarios have in common, for the command that runs them.
 *
 * Promise: types only; cells of a `Sweep` are checked.
 */
import type { QueuedCell } from '../sweep/queue/coordinator.js';
import type { ResultKind } from '../sweep/result-lines.js';
import type { Portion } from '../sweep/shard.js';
import type { Telling } from './sweep-report.js';

/** How cells are computed here. */
export interface LocalRun<L> {
  readonly threads: number;
  /** Whether the number of threads was asked for. */
  readonly isAsked: boolean;
  /** Cells that were done before, of so many. */
  readonly done: number;
  readonly all: number;
  readonly onLine: (line: L) => void;
}

/** A grid whose cells are checked. */
export interface Sweep<C extends { readonly key: string }, L extends { readonly key: string }> {
  readonly cells: readonly C[];
  readonly results: ResultKind<L>;
  /** Says what is to be said before the first cell. */
  begin(): void;
  /** The cells in pieces that belong together, for so many shards. */
  portions(shards: number): readonly Portion<C>[];
  /** Computes cells; true where it was interrupted. @throws what the first failing one says */
  compute(missing: readonly C[], run: LocalRun<L>): Promise<boolean>;
  /** A cell for workers elsewhere. */
  queued(cell: C): QueuedCell<L>;
  /** A result under the names of this call: an earlier one may have called the cell otherwise. */
  named(line: L, cell: C): L;
  /** The end: all results, in the order of the grid. */
  tell(lines: readonly L[], telling: Telling): Promise<void>;
}
