/**
 * Bars from left to right with a name before and the figure behind each: what is compared in a run.
 *
 * Promise: pure; figures on one plot have one unit and begin at 0; a line shows the interval of those that have one. The
 * text alternative names the largest and the smallest.
 */
import { escapeHtml } from './html.js';

/** One thing that is compared. */
export interface HorizontalBar {
  readonly name: string;
  readonly value: number;
  /** The figure with its unit. */
  readonly text: string;
  /** Where it is known how sure the figure is. */
  readonly interval?: readonly [low: number, high: number];
}

const WIDTH = 720;
const LEFT = 250;
const RIGHT = 110;
const HIGH = 22;

const round = (value: number) => Math.round(value * 100) / 100;

/** @param what the figure that is compared */
export function horizontalBars(what: string, bars: readonly HorizontalBar[]): string {
  const most = Math.max(1e-12, ...bars.map(({ value, interval }) => Math.max(value, interval?.[1] ?? 0)));
  const x = (value: number) => round(LEFT + (Math.max(0, value) / most) * (WIDTH - LEFT - RIGHT));
  const rows = bars.map(({ name, value, text, interval }, i) => {
    const y = i * HIGH;
    const middle = y + HIGH / 2;
    const line =
      interval === undefined
        ? ''
        : `<line class="even" x1="${x(interval[0])}" x2="${x(interval[1])}" y1="${middle}" y2="${middle}"/>`;
    const short = name.length > 38 ? `${name.slice(0, 37)}…` : name;
    return `<text x="${LEFT - 6}" y="${middle + 4}" text-anchor="end">${escapeHtml(short)}</text><g class="heat"><rect x="${LEFT}" y="${y + 3}" width="${round(x(value) - LEFT)}" height="${HIGH - 6}" fill-opacity="0.75"/></g>${line}<text x="${round(Math.max(x(value), x(interval?.[1] ?? 0)) + 6)}" y="${middle + 4}">${escapeHtml(text)}</text>`;
  });
  const sorted = [...bars].sort((a, b) => a.value - b.value);
  const [least, full] = [sorted[0], sorted.at(-1)];
  const label =
    least === undefined || full === undefined
      ? `${what}: nothing was measured.`
      : `${what}: most ${full.name} with ${full.text}, least ${least.name} with ${least.text}.`;
  return `<svg class="fixed" viewBox="0 0 ${WIDTH} ${Math.max(1, bars.length) * HIGH}" role="img" aria-label="${escapeHtml(label)}" preserveAspectRatio="xMidYMid meet">${rows.join('')}</svg>`;
}

/** A plot with its heading. */
export function figure(what: string, bars: readonly HorizontalBar[]): string {
  return `<figure><figcaption>${escapeHtml(what)}</figcaption><div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(what)}">${horizontalBars(what, bars)}</div></figure>`;
}
