/**
 * What a named set of costs is, and how much is known of its figures.
 *
 * Promise: types, and helpers of those who write sets.
 */
import type { Costs } from './schema.js';

/** How much is known about a figure. */
export type Confidence = 'measured' | 'derived' | 'fitted' | 'assumed';

/** Where figures come from. */
export interface Origin {
  readonly names: readonly (keyof Costs)[];
  readonly confidence: Confidence;
  readonly source: string;
}

/** A named set. */
export interface CostSet {
  readonly name: string;
  readonly about: string;
  readonly costs: Costs;
  readonly origins: readonly Origin[];
  /** Published rows that it was fitted to; all other rows that use it are predicted. */
  readonly fittedTo: readonly string[];
}

/** The same at any distance. */
export const even = (value: number) => ({ core: value, cache: value, socket: value, remote: value });
