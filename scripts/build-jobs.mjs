// How many compilers may run at once. `--parallel` without a number means "all there is" to make: forty compilers of a
// third of a gigabyte each, on any machine.
import { availableParallelism, freemem } from 'node:os';

const COMPILER_BYTES = 512 << 20;

/** `--parallel N`; none where the environment says it (CMAKE_BUILD_PARALLEL_LEVEL). */
export function buildJobs(environment = process.env) {
  if (environment.CMAKE_BUILD_PARALLEL_LEVEL) return [];
  const jobs = Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES));
  return ['--parallel', String(Math.max(1, jobs))];
}
