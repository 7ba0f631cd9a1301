/**
 * A group of policies in a Piscina thread: walks the chunks that it is told about, and returns the counts.
 *
 * Promise: policies are compiled here from their validated objects; a fault of a user's policy comes back as data,
 * since the class of an error does not survive the way between threads.
 */
import type { MessagePort } from 'node:worker_threads';
import { nativeHashKernels } from '../addon/hash-kernels.js';
import type { ErrorCode } from '../error-codes.js';
import { errorCode, UserError } from '../errors.js';
import { compilePolicy } from '../policy/compile.js';
import type { PolicySpec } from '../policy/spec.js';
import { Chunk, type ChunkNote } from './chunk.js';
import type { FlowRecords } from './flow-table.js';
import type { RunOptions } from './policy-run.js';
import { PolicySet } from './policy-set.js';
import type { RunCounts } from './tally.js';

/** What a thread is told. On `port`: `ChunkNote`s, answered by the chunk's index; the flows at the end. */
export interface PolicyOrder {
  readonly specs: readonly PolicySpec[];
  readonly workers: number | null;
  readonly options: RunOptions;
  readonly chunks: readonly SharedArrayBuffer[];
  readonly port: MessagePort;
}

/** What it returns. */
export type PolicyAnswer =
  | { readonly counts: RunCounts[] }
  | { readonly message: string; readonly isUserError: boolean; readonly code: ErrorCode };

/** The Piscina task. */
export default async function runPolicies({
  specs,
  workers,
  options,
  chunks,
  port,
}: PolicyOrder): Promise<PolicyAnswer> {
  try {
    // These threads are started for large captures only: see replay.ts.
    const kernels = nativeHashKernels();
    const set = new PolicySet(
      specs.map((spec) => compilePolicy(spec, { ...(workers === null ? {} : { workers }), kernels })),
      options,
    );
    const views = chunks.map((memory) => new Chunk(memory));
    return await new Promise<PolicyAnswer>((resolve, reject) => {
      port.on('message', (note: ChunkNote | FlowRecords) => {
        if (!('chunk' in note)) {
          resolve({ counts: set.finish(note) });
          return;
        }
        try {
          const chunk = views[note.chunk]!;
          chunk.noted(note);
          set.walk(chunk);
          port.postMessage(note.chunk);
        } catch (error) {
          reject(error);
        }
      });
    });
  } catch (error) {
    return {
      message: (error as Error).message,
      isUserError: error instanceof UserError,
      code: errorCode(error),
    };
  } finally {
    port.close();
  }
}
