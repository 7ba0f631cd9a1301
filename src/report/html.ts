/**
 * Small pieces of HTML: escaping, numbers, tables.
 *
 * Promise: whatever comes from a capture, a policy or a file name is escaped; nothing here knows what a report is.
 */

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => ESCAPES[c]!);
}

/** JSON as it may stand inside a script element: nothing in it can end the element. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');
}

/** `12,345,678`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A ratio with two decimals. */
export function ratio(value: number): string {
  return value.toFixed(2);
}

/** A share of one as a percentage; what is not zero never prints as zero. */
export function percent(value: number): string {
  if (value === 0) return '0 %';
  if (value < 0.0001) return '< 0.01 %';
  return `${(value * 100).toFixed(value < 0.01 ? 2 : 1)} %`;
}

/** A cell: what is printed, and what is sorted by (default: the text). */
export interface Cell {
  readonly html: string;
  readonly sort?: number | string;
  /** Numbers stand to the right. */
  readonly number?: boolean;
  /** Long text, which is broken over lines where there is no room. */
  readonly wide?: boolean;
}

/** A cell of escaped text. */
export const text = (value: string): Cell => ({ html: escapeHtml(value), sort: value });

/** A cell of code, which may be broken anywhere. */
export const code = (value: string): Cell => ({
  html: `<code>${escapeHtml(value)}</code>`,
  sort: value,
  wide: true,
});

/** A cell of a number, sorted by its value. */
export const number = (value: number, print: (value: number) => string = count): Cell => ({
  html: print(value),
  sort: value,
  number: true,
});

/** A cell with a number and a bar of that part (0 to 1) of the column's width. */
export const bar = (value: number, part: number, print: (value: number) => string): Cell => ({
  html: `<span class="bar" style="--part:${(Math.max(0, Math.min(1, part)) * 100).toFixed(1)}%">${print(value)}</span>`,
  sort: value,
  number: true,
});

/** A column: its heading, and what the heading means. */
export interface Heading {
  readonly title: string;
  readonly hint?: string;
}

/**
 * A sortable table inside a box that scrolls sideways on narrow screens.
 * @param kind `cards`: on narrow screens every row becomes a block, with the headings before its values
 */
export function table(
  caption: string,
  headings: readonly Heading[],
  rows: readonly (readonly Cell[])[],
  kind: 'plain' | 'cards' = 'plain',
): string {
  const head = headings.map(({ title, hint }, c) => {
    const number = rows[0]?.[c]?.number === true ? ' class="number"' : '';
    const title_ = hint === undefined ? '' : ` title="${escapeHtml(hint)}"`;
    return `<th scope="col"${number}><button type="button"${title_}>${escapeHtml(title)}</button></th>`;
  });
  const body = rows.map(
    (row) =>
      `<tr>${row
        .map((cell, c) => {
          const number = cell.number === true ? ' class="number"' : cell.wide === true ? ' class="wide"' : '';
          const title = kind === 'cards' ? ` data-title="${escapeHtml(headings[c]!.title)}"` : '';
          const sort = cell.sort === undefined ? '' : ` data-sort="${escapeHtml(String(cell.sort))}"`;
          return `<td${number}${title}${sort}>${cell.html}</td>`;
        })
        .join('')}</tr>`,
  );
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table class="sortable${kind === 'cards' ? ' cards' : ''}"><caption>${escapeHtml(caption)}</caption><thead><tr>${head.join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></div>`;
}
