/**
 * Charts as plain SVG: heat map, Lorenz curve, bars. They need no script, print, and follow the page's colours.
 *
 * Promise: every chart has a text alternative that states its finding; sizes are in user units, the page scales them.
 */
import { round, rowHeight, rowLabels, svg } from './svg.js';

/** Columns of a heat map at most: more intervals than that are added up. */
const COLUMNS_MAX = 96;

/** Adds neighbouring intervals up until there are at most `COLUMNS_MAX`; returns how many became one, too. */
export function mergeIntervals(loads: readonly (readonly number[])[]): { loads: number[][]; merged: number } {
  const merged = Math.max(1, Math.ceil(loads.length / COLUMNS_MAX));
  const out: number[][] = [];
  loads.forEach((interval, i) => {
    if (i % merged === 0) out.push([...interval]);
    else
      interval.forEach((value, w) => {
        out.at(-1)![w]! += value;
      });
  });
  return { loads: out, merged };
}

/**
 * Load of each worker over time: one row a worker, one column an interval, the darker the fuller; full colour is the
 * fullest cell of all.
 */
export function heatMap(loads: readonly (readonly number[])[], seconds: number): string {
  const rows = loads[0]?.length ?? 0;
  if (rows === 0) return '<p class="quiet">No load over time: the capture has no usable clock.</p>';
  const { loads: cells, merged } = mergeIntervals(loads);
  const most = Math.max(1, ...cells.flat());
  const left = 34;
  const width = 720;
  const high = rowHeight(rows);
  const wide = (width - left) / cells.length;
  const parts: string[] = [];
  cells.forEach((interval, i) => {
    interval.forEach((value, w) => {
      if (value === 0) return;
      parts.push(
        `<rect x="${round(left + i * wide)}" y="${round(w * high)}" width="${round(wide + 0.3)}" height="${round(high - 1)}" fill-opacity="${round(0.06 + 0.94 * (value / most))}"/>`,
      );
    });
  });
  const foot = rows * high;
  const end = (cells.length * merged * seconds).toPrecision(3);
  const axis = `<text x="${left}" y="${foot + 16}">0 s</text><text x="${width}" y="${foot + 16}" text-anchor="end">${Number(end)} s</text>`;
  const totals = Array.from({ length: rows }, (_, w) =>
    cells.reduce((sum, interval) => sum + interval[w]!, 0),
  );
  const full = totals.indexOf(Math.max(...totals));
  const label = `Heat map of the load of ${rows} workers over ${cells.length} intervals; worker ${full} has most (${totals[full]!} packets), the fullest cell holds ${most} packets.`;
  return svg(width, foot + 20, label, `<g class="heat">${parts.join('')}</g>${rowLabels(rows, left)}${axis}`);
}

/** Lorenz curve of loads: share of all packets that the idlest x of the workers carry; the diagonal is even. */
export function lorenz(loads: readonly number[], gini: number): string {
  const sorted = [...loads].sort((a, b) => a - b);
  const sum = sorted.reduce((a, b) => a + b, 0);
  const size = 220;
  let carried = 0;
  const points = sorted.map((load, i) => {
    carried += load;
    const y = sum === 0 ? 0 : carried / sum;
    return `${round(((i + 1) / sorted.length) * size)},${round(size - y * size)}`;
  });
  const half = Math.floor(sorted.length / 2);
  const lower = sum === 0 ? 0 : sorted.slice(0, half).reduce((a, b) => a + b, 0) / sum;
  const label = `Lorenz curve: Gini coefficient ${gini.toFixed(3)}; the idler half of the workers carries ${(lower * 100).toFixed(0)} % of the packets.`;
  const line = `0,${size} ${points.join(' ')}`;
  return svg(
    size + 4,
    size + 4,
    label,
    `<g transform="translate(2 2)"><polygon class="area" points="${line} ${size},${size}"/><line class="even" x1="0" y1="${size}" x2="${size}" y2="0"/><polyline class="curve" points="${line}"/><rect class="frame" width="${size}" height="${size}"/></g>`,
  );
}

/** Bars of equal width, with a line at the mean. */
export function bars(values: readonly number[], what: string): string {
  const width = 720;
  const height = 120;
  const most = Math.max(1, ...values);
  const mean = values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
  const wide = width / Math.max(1, values.length);
  const gap = wide > 4 ? 1 : 0;
  const rects = values
    .map((value, i) => {
      const high = (value / most) * (height - 4);
      return value === 0
        ? ''
        : `<rect x="${round(i * wide)}" y="${round(height - high)}" width="${round(Math.max(0.5, wide - gap))}" height="${round(high)}"/>`;
    })
    .join('');
  const y = round(height - (mean / most) * (height - 4));
  const full = Math.max(0, values.indexOf(Math.max(...values)));
  const label = `Packets of each of ${values.length} ${what}: the fullest, ${full}, has ${values[full] ?? 0}, the mean is ${mean.toFixed(1)}.`;
  return svg(
    width,
    height,
    label,
    `<g class="heat">${rects}</g><line class="even" x1="0" x2="${width}" y1="${y}" y2="${y}"/>`,
  );
}
