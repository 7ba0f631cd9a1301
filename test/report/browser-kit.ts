/// <reference lib="dom" />
/**
 * A browser for the tests of pages: opens a page from a file, and keeps what it complains about and asks for.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Where a browser is; undefined where there is none. */
export const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** A page that is open. */
export interface Opened {
  readonly browser: Browser;
  readonly page: Page;
  readonly complaints: string[];
  readonly requests: string[];
  close(): Promise<void>;
}

/** Opens a document in a browser of its own. */
export async function open(html: string): Promise<Opened> {
  const directory = mkdtempSync(path.join(tmpdir(), 'rxsteer-report-'));
  const file = path.join(directory, 'report.html');
  writeFileSync(file, html);
  const complaints: string[] = [];
  const requests: string[] = [];
  const browser = await chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) requests.push(request.url());
  });
  await page.goto(pathToFileURL(file).href);
  const close = async () => {
    await browser.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { browser, page, complaints, requests, close };
}

/** Text with the least contrast to what is behind it, in the colours of the page as it is now. */
export function leastContrast(page: Page): Promise<{ ratio: number; what: string }> {
  return page.evaluate(() => {
    const luminance = (colour: string) => {
      const [r, g, b] = colour.match(/[\d.]+/g)!.map((part) => {
        const c = Number(part) / 255;
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const paperOf = (element: Element): string => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if (!/, 0\)$|transparent/.test(backgroundColor)) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    let least = { ratio: 99, what: '' };
    for (const element of document.querySelectorAll(
      'p, dt, dd, td, th button, h1, h2, figcaption, .slot, a, summary, label, .side span, .legend li',
    )) {
      const a = luminance(getComputedStyle(element).color);
      const b = luminance(paperOf(element));
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < least.ratio) least = { ratio, what: element.outerHTML.slice(0, 80) };
    }
    return least;
  });
}

/** Widths of the whole page and of what is seen of it. */
export function widths(page: Page): Promise<[whole: number, seen: number]> {
  return page.evaluate(() => {
    const root = document.documentElement;
    return [root.scrollWidth, root.clientWidth];
  });
}

/** Pictures without a text alternative. */
export function bareImages(page: Page): Promise<number> {
  return page
    .locator('svg:not([aria-label]), canvas')
    .evaluateAll((all) => all.filter((one) => one.closest('[role="img"][aria-label]') === null).length);
}
