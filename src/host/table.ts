/** Indirection tables, counted by queue. Pure. */

/** Buckets of each queue, for at least `queues` of them. */
export function histogram(entries: readonly number[], queues: number): number[] {
  const counts = new Array<number>(entries.reduce((most, queue) => Math.max(most, queue + 1), queues)).fill(
    0,
  );
  for (const queue of entries) counts[queue]!++;
  return counts;
}

/** The words of `ethtool -X` that give queues so many buckets again. */
export function weightsOf(counts: readonly number[]): string {
  return `weight ${counts.join(' ')}`;
}
