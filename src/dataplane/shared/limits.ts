/**
 * What the numbers of an engine's options may be, for the command line and for programs alike.
 *
 * Promise: one table; a number outside it is a UserError of one line, whoever gave it.
 */
import { UserError } from '../../errors.js';

export const WORKERS_MAX = 256;

/** MiB that the kernel may hold for the receive queues of all ports together, where nothing is said. */
export const DEFAULT_RECEIVE_MIB = 1536;

/** Least and most of each number, both permitted. Milliseconds, microseconds and seconds as the names say. */
export const ENGINE_LIMITS = {
  workers: [1, WORKERS_MAX],
  maxWorkers: [1, WORKERS_MAX],
  backlog: [1, 1 << 20],
  smallFrames: [256, 1 << 22],
  largeFrames: [1, 1 << 16],
  spinMaxUs: [0, 100_000],
  receiveMib: [8, 1 << 20],
  postponeMaxMs: [0, 10_000],
  holdMaxFrames: [0, 65_536],
  holdMaxMs: [1, 2000],
  ageingSeconds: [1, 1_000_000],
  learnLimit: [0, 1 << 20],
} as const;
export type LimitedOption = keyof typeof ENGINE_LIMITS;

/** @throws UserError unless `value` is a whole number within the limits of `option`, called `name` in the message. */
export function checkLimit(option: LimitedOption, value: unknown, name: string = option): number {
  const [least, most] = ENGINE_LIMITS[option];
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UserError(`${name} ${String(value)}: expected a whole number from ${least} to ${most}`);
}
