/**
 * A row of figures as a line of blocks, one character for one or more of them.
 *
 * Promise: pure; the newest figure is at the right end, the highest block is `most`, what is not zero never looks so.
 */
const BLOCKS = ' ▁▂▃▄▅▆▇█';

/**
 * The figures in `width` characters: where there are more, each character has the mean of its neighbours.
 * @param most what fills the whole height; default: the largest mean
 */
export function sparkline(figures: readonly number[], width: number, most?: number): string {
  const means = squeeze(figures, width);
  const top = most ?? Math.max(0, ...means);
  const line = means.map((value) => {
    if (!(value > 0) || top <= 0) return BLOCKS[0];
    return BLOCKS[Math.max(1, Math.min(8, Math.round((8 * value) / top)))];
  });
  return line.join('').padStart(width);
}

/** At most `width` means of neighbours, of nearly as many figures each. */
export function squeeze(figures: readonly number[], width: number): number[] {
  if (figures.length <= width) return [...figures];
  return Array.from({ length: width }, (_, i) => {
    const from = Math.floor((i * figures.length) / width);
    const to = Math.floor(((i + 1) * figures.length) / width);
    let sum = 0;
    for (let at = from; at < to; at++) sum += figures[at]!;
    return sum / (to - from);
  });
}
