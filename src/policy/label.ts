/**
 * Names that users give to policies, to tell long ones apart: `fast=rss:nic=mlx5,queues=8`.
 *
 * Promise: a label ends at a `=` before the first `:`; in a policy string every `=` stands behind a `:`, and files
 * begin with `@`, so that nothing is ever both. Pure.
 */

/** A policy and the name that was put before it, or null. */
export interface Labelled<P> {
  readonly label: string | null;
  readonly policy: P;
}

const LABEL = /^\s*([\p{L}\p{N}][\p{L}\p{N} ._-]{0,39}?)\s*=(.*)$/su;

/** Takes the label off a policy string. Objects carry none. */
export function splitLabel<P>(given: P): Labelled<P> {
  const match = typeof given === 'string' ? LABEL.exec(given) : null;
  if (match === null) return { label: null, policy: given };
  return { label: match[1]!, policy: match[2]!.trim() as P };
}
