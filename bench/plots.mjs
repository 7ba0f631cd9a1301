/**
 * Plots of benchmark reports: `node bench/plots.mjs REPORT.json… DIRECTORY` (reports of `rxsteer bench … --json`).
 *
 * Writes one SVG for each suite that it knows and finds; colours follow the reader's light or dark setting. Bars and
 * points are medians, whiskers the 95 % intervals.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const STYLE = `<style>
svg{font:12px system-ui,sans-serif;--ink:#1a2026;--quiet:#5b6772;--line:#d4dae0;--a:#0a5ca8;--b:#b3541e}
@media(prefers-color-scheme:dark){svg{--ink:#e6eaee;--quiet:#9aa7b2;--line:#37414a;--a:#6cb4f5;--b:#f0975a}}
text{fill:var(--ink)}.quiet{fill:var(--quiet)}.grid{stroke:var(--line)}.a{fill:var(--a);stroke:var(--a)}
.b{fill:var(--b);stroke:var(--b)}.whisker{stroke:var(--ink)}.line{fill:none;stroke-width:2}</style>`;

const escapeXml = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const round = (value) => Math.round(value * 10) / 10;
const short = (value) =>
  value >= 1e6 ? `${round(value / 1e6)} M` : value >= 1e4 ? `${round(value / 1e3)} k` : `${round(value)}`;

function svg(width, height, title, body) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">${STYLE}<title>${escapeXml(title)}</title>${body}</svg>\n`;
}

/** Horizontal bars. `rows`: { label, value, low, high, kind: 'a' | 'b' }. */
function bars(title, unit, rows) {
  const left = 300;
  const width = 860;
  const high = 20;
  const most = Math.max(...rows.map((row) => row.high));
  const x = (value) => left + (value / most) * (width - left - 90);
  const body = rows.map((row, i) => {
    const y = 34 + i * high;
    return `<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escapeXml(row.label)}</text>
<rect class="${row.kind}" x="${left}" y="${y + 2}" width="${round(x(row.value) - left)}" height="${high - 6}" fill-opacity="0.75"/>
<line class="whisker" x1="${round(x(row.low))}" x2="${round(x(row.high))}" y1="${y + 9}" y2="${y + 9}"/>
<text class="quiet" x="${round(x(row.high)) + 6}" y="${y + 12}">${short(row.value)}</text>`;
  });
  const head = `<text x="8" y="18" font-weight="600">${escapeXml(title)}</text><text class="quiet" x="${width - 8}" y="18" text-anchor="end">${escapeXml(unit)}</text>`;
  return svg(width, 44 + rows.length * high, `${title}, ${unit}`, head + body.join('\n'));
}

/** Small line charts side by side; x is logarithmic. `charts`: { title, series: Map(name, [[x, y], …]) }. */
function lines(title, unit, charts) {
  const wide = 290;
  const high = 200;
  const most = Math.max(...charts.flatMap(({ series }) => [...series.values()].flat().map(([, y]) => y)));
  const step = 10 ** Math.floor(Math.log10(most));
  const y = (value) => round(28 + (high - 28) * (1 - value / (Math.ceil(most / step) * step)));
  const parts = charts.map(({ title: name, series }, c) => {
    const xs = [...new Set([...series.values()].flat().map(([x]) => x))].sort((a, b) => a - b);
    const at = (value) =>
      round(44 + ((wide - 64) * Math.log(value / xs[0])) / Math.max(1e-9, Math.log(xs.at(-1) / xs[0])));
    const grid = [];
    for (let v = 0; v <= Math.ceil(most / step) * step; v += step) {
      grid.push(`<line class="grid" x1="40" x2="${wide - 16}" y1="${y(v)}" y2="${y(v)}"/>`);
      if (c % 2 === 0)
        grid.push(`<text class="quiet" x="36" y="${y(v) + 4}" text-anchor="end">${short(v)}</text>`);
    }
    const curves = [...series].map(([, points], k) => {
      const kind = k === 0 ? 'a' : 'b';
      const dots = points.map(([px, py]) => `<circle class="${kind}" cx="${at(px)}" cy="${y(py)}" r="3"/>`);
      return `<polyline class="${kind} line" style="fill:none" points="${points.map(([px, py]) => `${at(px)},${y(py)}`).join(' ')}"/>${dots.join('')}`;
    });
    const names = [...series.keys()].map(
      (key, k) =>
        `<text x="${wide - 20}" y="${46 + k * 15}" text-anchor="end" class="${k === 0 ? 'a' : 'b'}" stroke="none">${escapeXml(key)}</text>`,
    );
    const ticks = xs.map(
      (value) =>
        `<text class="quiet" x="${at(value)}" y="${high + 16}" text-anchor="middle">${short(value)}</text>`,
    );
    return `<g transform="translate(${(c % 2) * wide} ${24 + Math.floor(c / 2) * (high + 40)})"><text x="44" y="18">${escapeXml(name)}</text>${grid.join('')}${curves.join('')}${names.join('')}${ticks.join('')}</g>`;
  });
  const head = `<text x="8" y="16" font-weight="600">${escapeXml(title)}</text><text class="quiet" x="${2 * wide - 8}" y="16" text-anchor="end">${escapeXml(unit)}</text>`;
  return svg(
    2 * wide,
    24 + Math.ceil(charts.length / 2) * (high + 40),
    `${title}, ${unit}`,
    head + parts.join('\n'),
  );
}

const row = (result, label, kind) => ({
  label,
  value: result.nsPerOp,
  low: result.ci95[0],
  high: result.ci95[1],
  kind,
});

/** Suite name to a function from its results to an SVG; null where there is nothing to show. */
const PLOTS = {
  scaling(results) {
    const charts = new Map();
    for (const { name, nsPerOp } of results) {
      const [, quantity, value, policy] = /^(\w+)=(\d+)\/(.+)$/.exec(name);
      if (!charts.has(quantity)) charts.set(quantity, { title: quantity, series: new Map() });
      const { series } = charts.get(quantity);
      if (!series.has(policy)) series.set(policy, []);
      series.get(policy).push([Number(value), nsPerOp]);
    }
    return lines('CPU time a frame, all workers', 'ns', [...charts.values()]);
  },
  'flow-vs-mac'(results) {
    // All six policies of a mix would make a plot that nobody reads.
    const rates = results.filter(({ name }) => /^[^/]+\/[^/]+\/(rss|mac)$/.test(name));
    const rows = rates.map((result) => {
      const low = 1e9 / result.ci95[1];
      const high = 1e9 / result.ci95[0];
      const policy = result.name.split('/')[2];
      return {
        label: result.name,
        value: result.opsPerSecond,
        low,
        high,
        kind: policy === 'mac' ? 'b' : 'a',
      };
    });
    return bars('rss (blue) and mac (orange)', 'packets a second', rows);
  },
  pipeline(results) {
    const times = results.filter(({ name }) => !name.includes('latency'));
    return bars(
      'The pipeline on two CPUs',
      'ns a frame',
      times.map((result) => row(result, result.name, result.name.startsWith('order') ? 'a' : 'b')),
    );
  },
  ring(results) {
    return bars(
      'Hand-over between two threads',
      'ns an item',
      results.map((result) => row(result, result.name, result.name.startsWith('rte') ? 'b' : 'a')),
    );
  },
  toeplitz(results) {
    const tuples = results.filter(({ name }) => !/burst|bitwise/.test(name));
    return bars(
      'Toeplitz hash of one tuple',
      'ns',
      tuples.map((result) => row(result, result.name, result.name.startsWith('rte') ? 'b' : 'a')),
    );
  },
};

const files = process.argv.slice(2);
const directory = files.pop();
if (directory === undefined || files.length === 0) {
  process.stderr.write('usage: node bench/plots.mjs REPORT.json… DIRECTORY\n');
  process.exit(2);
}
const results = files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')).results);
mkdirSync(directory, { recursive: true });
for (const [suite, plot] of Object.entries(PLOTS)) {
  const own = results.filter((result) => result.suite === suite && result.nsPerOp !== null);
  if (own.length === 0) continue;
  const file = path.join(directory, `${suite}.svg`);
  writeFileSync(file, plot(own));
  process.stdout.write(`${file}\n`);
}
