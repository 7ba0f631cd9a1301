/**
 * The options of `rxsteer simulate`, as they were given.
 *
 * Promise: types only; one field for each option that `simulate.ts` registers.
 */

/** The options as they were given. */
export interface SimulateFlags {
  readonly policy?: readonly string[];
  readonly costs?: string;
  readonly seed?: string;
  readonly duration?: string;
  readonly limit: boolean;
  readonly html?: string;
  readonly json?: boolean;
  readonly list?: boolean;
  readonly show?: string;
  readonly schema?: boolean;
  readonly validate?: boolean;
  readonly calibrate?: string;
}
