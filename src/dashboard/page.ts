/**
 * The page of the dashboard: one file, always the same.
 *
 * Promise: style and script are inside and permitted by their hashes only; nothing is loaded from anywhere, and no figure is
 * in it: they come by the stream, to whoever has the token.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const asset = (name: string) =>
  readFileSync(new URL(`../../assets/dashboard/${name}`, import.meta.url), 'utf8');
const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export interface DashboardPage {
  readonly html: string;
  /** Value of `content-security-policy`. */
  readonly policy: string;
}

export function dashboardPage(): DashboardPage {
  const style = asset('dashboard.css');
  const script = ['stream.js', 'charts.js', 'sections.js', 'dashboard.js'].map(asset).join('\n');
  const html = asset('dashboard.html')
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script>${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
  return { html, policy };
}
