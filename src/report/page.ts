/**
 * The page around everything: one HTML file that needs no network.
 *
 * Promise: style, script and data are inside; it is readable without script, on a phone, in light and dark, on paper
 * and by keyboard. The content security policy permits nothing from outside.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { embedJson, escapeHtml } from './html.js';

const require = createRequire(import.meta.url);

function asset(name: string): string {
  return readFileSync(new URL(`../../assets/report/${name}`, import.meta.url), 'utf8');
}

/** uPlot's own files, as its package ships them. */
function plotFile(name: string): string {
  return readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
}

/** Where a report comes from; the writer of the page knows, the result does not. */
export interface ReportOrigin {
  /** The captures that were read. */
  readonly files?: readonly string[];
  /** The command that made it, as it was typed. */
  readonly command?: string;
  readonly version?: string;
  readonly date?: Date;
}

/** A few lines about where the report comes from. */
export function originFacts({ files, command, version, date }: ReportOrigin): string {
  const made = [
    ...(version === undefined ? [] : [`rxsteer ${escapeHtml(version)}`]),
    ...(date === undefined ? [] : [`${date.toISOString().replace('T', ' ').slice(0, 16)} UTC`]),
  ].join(', ');
  const rows: (readonly [string, string])[] = [];
  if (files !== undefined && files.length > 0) {
    const names = files.map((file) => `<code>${escapeHtml(file === '-' ? 'standard input' : file)}</code>`);
    rows.push([files.length === 1 ? 'capture' : 'captures', names.join(', ')]);
  }
  if (command !== undefined) rows.push(['command', `<code>${escapeHtml(command)}</code>`]);
  if (made !== '') rows.push(['made by', made]);
  if (rows.length === 0) return '';
  return `<dl class="origin">${rows.map(([key, value]) => `<dt>${key}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

/** Chooses one policy's section, by number; shown by the script. */
export function chooser(names: readonly string[], chosen: number): string {
  const options = names.map(
    (name, i) => `<option value="${i}"${i === chosen ? ' selected' : ''}>${escapeHtml(name)}</option>`,
  );
  return `<div class="chooser" hidden><label for="policy">Policy</label> <select id="policy">${options.join('')}<option value="all">all</option></select></div>`;
}

/** Facts as pairs, side by side. Values are HTML. */
export function factList(pairs: readonly (readonly [string, string])[]): string {
  return `<dl class="facts">${pairs.map(([key, value]) => `<div><dt>${key}</dt><dd>${value}</dd></div>`).join('')}</dl>`;
}

/** What goes into the page. */
export interface PageParts {
  readonly title: string;
  /** HTML of the body, below the title. */
  readonly body: string;
  /** For the script, under `window.rxsteer`; null leaves the plots out. */
  readonly data: unknown;
  /** A style sheet of assets/report beside the common one. */
  readonly style?: string;
}

/** The hash by which the security policy permits an inline script. */
const permit = (script: string) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`;

/** The whole document. */
export function page({ title, body, data, style: more }: PageParts): string {
  const scripts =
    data === null
      ? [asset('report.js')]
      : [plotFile('uPlot.iife.min.js'), `window.rxsteer = ${embedJson(data)};`, asset('report.js')];
  const style = `${data === null ? '' : plotFile('uPlot.min.css')}\n${asset('report.css')}${more === undefined ? '' : asset(more)}`;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ${scripts.map(permit).join(' ')}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<main id="main">
<h1>${escapeHtml(title)}</h1>
${body}
</main>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}
