/**
 * The heat map of a simulated host: one row a CPU, one column a part of the window, the class by its colour.
 *
 * Promise: plain SVG; without script it shows the class that took most of each cell, and the reader may choose a class
 * alone (radio buttons and style sheet only). The fuller, the darker: full colour is a CPU that does nothing else.
 */
import { CLASSES, type CpuClass } from '../simulate/machine/classes.js';
import type { Recording } from '../simulate/record/shown.js';
import { CLASS_WORDS, classWord } from './cpu-classes.js';
import { percent } from './html.js';
import { round, rowHeight, rowLabels, svg } from './svg.js';

const WIDTH = 720;
const LEFT = 34;
/** Rows of many CPUs are lower than elsewhere: all of them are to be seen at once. */
const ROW_LEAST = 3;
/** Steps of darkness: more only make the page larger. */
const LEVELS = 8;
/** Below this share a cell stays empty. */
const LEAST = 0.01;

/** A cell: class and darkness in one number; -1 = empty. */
type Cell = number;

const cellOf = (cls: number, share: number): Cell =>
  share < LEAST ? -1 : cls * (LEVELS + 1) + Math.max(1, Math.ceil(Math.min(1, share) * LEVELS));

/** Cells of one layer, as one path for each class and darkness; equal neighbours are one rectangle. */
function layer(rows: readonly (readonly Cell[])[], name: string): string {
  const high = rowHeight(rows.length, ROW_LEAST);
  const wide = (WIDTH - LEFT) / rows[0]!.length;
  const paths = new Map<Cell, string>();
  rows.forEach((cells, row) => {
    for (let c = 0; c < cells.length; ) {
      const cell = cells[c]!;
      let end = c + 1;
      while (cells[end] === cell) end++;
      if (cell >= 0) {
        const [x, y] = [round(LEFT + c * wide), round(row * high)];
        const part = `M${x} ${y}h${round((end - c) * wide)}v${round(high - (high > 8 ? 1 : 0.4))}H${x}z`;
        paths.set(cell, (paths.get(cell) ?? '') + part);
      }
      c = end;
    }
  });
  const drawn = [...paths].map(([cell, path]) => {
    const level = cell % (LEVELS + 1);
    const cls = CLASSES[(cell - level) / (LEVELS + 1)]!;
    return `<path class="c-${cls}" fill-opacity="${round(0.1 + (0.9 * level) / LEVELS)}" d="${path}"/>`;
  });
  return `<g class="layer layer-${name}">${drawn.join('')}</g>`;
}

function cellsOf({ cpus }: Recording, used: readonly CpuClass[], only: CpuClass | null): Cell[][] {
  const columns = Object.values(cpus.flatMap(({ classes }) => Object.values(classes))[0] ?? []).length;
  return cpus.map(({ classes }) =>
    Array.from({ length: columns }, (_, c) => {
      const share = (cls: CpuClass) => classes[cls]?.[c] ?? 0;
      if (only !== null) return cellOf(CLASSES.indexOf(only), share(only));
      const most = used.reduce((a, b) => (share(b) > share(a) ? b : a));
      return cellOf(
        CLASSES.indexOf(most),
        used.reduce((sum, cls) => sum + share(cls), 0),
      );
    }),
  );
}

/** The heat map with its choice of classes. `id` tells the choices of a page apart. */
export function classHeat(recording: Recording, id: string): string {
  const { cpus, columnMs } = recording;
  const used = CLASS_WORDS.map(([cls]) => cls).filter((cls) => cpus.some(({ classes }) => cls in classes));
  if (used.length === 0) return '<p class="quiet">No CPU did anything.</p>';
  const rows = cpus.length;
  const foot = rows * rowHeight(rows, ROW_LEAST);
  const shares = cpus.map(({ classes }) => {
    const lists = Object.values(classes) as (readonly number[])[];
    return lists.reduce((sum, list) => sum + list.reduce((a, b) => a + b, 0) / list.length, 0);
  });
  const columns = (
    Object.values(cpus.find(({ classes }) => Object.keys(classes).length > 0)!.classes)[0] ?? []
  ).length;
  const full = shares.indexOf(Math.max(...shares));
  const main = used.reduce((a, b) => {
    const of = (cls: CpuClass) => (cpus[full]!.classes[cls] ?? []).reduce((x, y) => x + y, 0);
    return of(b) > of(a) ? b : a;
  });
  const label = `Heat map of ${rows} CPUs over ${Number((columns * columnMs).toPrecision(3))} ms: CPU ${full} is the busiest, ${percent(shares[full]!)} of the time, most of it ${classWord(main)}.`;
  const axis = `<text x="${LEFT}" y="${foot + 16}">0</text><text x="${WIDTH}" y="${foot + 16}" text-anchor="end">${Number((columns * columnMs).toPrecision(3))} ms</text>`;
  const layers = [
    layer(cellsOf(recording, used, null), 'all'),
    ...used.map((cls) => layer(cellsOf(recording, used, cls), cls)),
  ];
  const choice = [['all', 'everything'] as const, ...used.map((cls) => [cls, classWord(cls)] as const)].map(
    ([value, name], i) =>
      `<label><input type="radio" name="${id}" value="${value}"${i === 0 ? ' checked' : ''}>${value === 'all' ? '' : `<span class="swatch c-${value}"></span>`}${name}</label>`,
  );
  return `<figure class="class-heat"><figcaption>What each CPU did over time: one row a CPU, the colour is what took most of it, the fuller the darker</figcaption><fieldset class="classes"><legend>Show</legend>${choice.join('')}</fieldset>${svg(WIDTH, foot + 20, label, layers.join('') + rowLabels(rows, LEFT, ROW_LEAST) + axis)}</figure>`;
}
