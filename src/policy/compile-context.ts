/**
 * What every policy is compiled with.
 *
 * Promise: the number of workers is checked here. Pure.
 */
import { UserError } from '../errors.js';
import { WORKER_MAX } from './numbers.js';
import type { CompileContext, CompileOptions } from './steering.js';

/** @throws UserError for a number of workers that cannot be. */
export function compileContext(options: CompileOptions, workers: number): CompileContext {
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKER_MAX + 1) {
    throw new UserError(`workers ${workers}: expected 1 to ${WORKER_MAX + 1}`);
  }
  return {
    workers,
    ports: options.ports ?? null,
    faults: options.faults ?? 'throw',
    ...(options.worker === undefined ? {} : { worker: options.worker }),
    ...(options.kernels === undefined ? {} : { kernels: options.kernels }),
    shared: options.shared !== undefined && options.shared.byteLength > 0 ? options.shared : null,
  };
}
