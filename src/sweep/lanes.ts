/**
 * Tasks of a sweep over threads, so many at a time.
 *
 * Promise: tasks begin in their order; the first failure ends the sweep, and what was finished before it has been given.
 * An error of a thread keeps its class: it comes back as an answer.
 */
import type { ErrorCode } from '../error-codes.js';
import { errorCode, UserError } from '../errors.js';

/** Why a thread has no result: errors lose their class between threads. */
export interface Failure {
  readonly message: string;
  readonly isUserError: boolean;
  readonly code: ErrorCode;
}

/** A failure as it can be posted. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message.split('\n')[0]! : String(error);
  return { message, isUserError: error instanceof UserError, code: errorCode(error) };
}

/** The answer, where it is none. @throws what a thread failed with */
export function succeeded<A extends object>(answer: A | Failure): A {
  if (!('isUserError' in answer)) return answer;
  const { message, isUserError, code } = answer;
  throw isUserError ? new UserError(message, { code }) : new Error(message);
}

/** Runs tasks, `threads` at a time. @throws what the first failing one says */
export async function runLanes<T>(
  tasks: readonly T[],
  threads: number,
  run: (task: T) => Promise<void>,
  isStopped: () => boolean = () => false,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < tasks.length && !failed && !isStopped()) {
      try {
        await run(tasks[next++]!);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: threads }, lane));
  const failure = lanes.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
