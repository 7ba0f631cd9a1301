/**
 * What all pictures of a page share.
 *
 * Promise: a picture scales with the page and has a text alternative that states its finding.
 */
import { escapeHtml } from './html.js';

/** A picture of so many units, with its text alternative. */
export function svg(width: number, height: number, label: string, body: string, kind = ''): string {
  const cls = kind === '' ? '' : ` class="${kind}"`;
  return `<svg${cls} viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}" preserveAspectRatio="xMidYMid meet">${body}</svg>`;
}

/** Coordinates with two decimals: more only makes the page larger. */
export const round = (value: number) => Math.round(value * 100) / 100;

/** Height of a row of a heat map with so many rows; `least`: of a very long one. */
export const rowHeight = (rows: number, least = 6) => Math.max(least, Math.min(36, 300 / rows));

/** Numbers in front of the rows of a heat map; of many rows some. */
export function rowLabels(rows: number, left: number, least = 6): string {
  const high = rowHeight(rows, least);
  const every = Math.ceil(rows / 24);
  return Array.from({ length: rows }, (_, row) =>
    row % every === 0
      ? `<text${rows > 12 && (row / every) % 2 === 1 ? ' class="minor"' : ''} x="${left - 5}" y="${round(row * high + high / 2 + 3.5)}" text-anchor="end">${row}</text>`
      : '',
  ).join('');
}
