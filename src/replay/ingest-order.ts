/**
 * What the reading thread is told, and what it says.
 *
 * Promise: plain data. See ingest-source and ingest-thread.
 */
import type { ErrorCode } from '../error-codes.js';
import type { PacketChoice } from './choice.js';
import type { ChunkNote } from './chunk.js';
import type { ClockOptions } from './clock.js';
import type { FlowRecords } from './flow-table.js';
import type { CaptureFacts } from './result.js';

/** What there is to know when all was read. */
export interface IngestEnd {
  readonly facts: CaptureFacts;
  readonly flows: FlowRecords;
  readonly virtualNs: number;
}

/** What the thread is told first; numbers of chunks that may be filled again follow. */
export interface IngestOrder {
  readonly paths: readonly string[];
  readonly clock: ClockOptions;
  readonly choice: PacketChoice;
  readonly chunks: readonly SharedArrayBuffer[];
}

/** What the thread says. */
export type IngestMessage =
  | { readonly note: ChunkNote; readonly isUserError?: never; readonly end?: never }
  | { readonly end: IngestEnd; readonly note?: never; readonly isUserError?: never }
  | {
      readonly message: string;
      readonly isUserError: boolean;
      readonly code: ErrorCode;
      readonly note?: never;
      readonly end?: never;
    };

/** Instead of a chunk's number: read no further. */
export const STOP_READING = -1;
