/** The simulator's page in a real browser: no complaint, no request, sorts, shows a class alone, fits a phone, prints. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderSimulationReport } from '#rxsteer/report/index.js';
import { bareImages, browserPath, leastContrast, type Opened, open, widths } from './browser-kit.js';
import { simulationResult } from './simulation-fixture.js';

if (browserPath === undefined) console.warn('page not shown in a browser: chromium is missing');

describe.skipIf(browserPath === undefined)("the simulator's page in a browser", { timeout: 180_000 }, () => {
  let page: Page;
  let opened: Opened;

  beforeAll(async () => {
    opened = await open(renderSimulationReport(simulationResult()));
    ({ page } = opened);
  }, 180_000);

  afterAll(() => opened?.close());

  const visible = (selector: string) =>
    page.locator(`${selector}:visible`).evaluateAll((all) => all.map((one) => one.getAttribute('class')));

  test('renders without a complaint and asks for nothing but itself', async () => {
    expect(await page.title()).toBe('two guests');
    expect(await page.locator('.packet svg').count()).toBe(2);
    expect(opened.requests).toHaveLength(1);
    expect(opened.complaints).toEqual([]);
    expect(await bareImages(page)).toBe(0);
  });

  test('shows one policy, and any other that is chosen', async () => {
    expect(await page.locator('section[data-policy]:visible').count()).toBe(1);
    await page.selectOption('#policy', 'all');
    expect(await page.locator('section[data-policy]:visible').count()).toBe(2);
    await page.selectOption('#policy', '0');
  });

  test('the heat map shows what took most, or one class alone', async () => {
    expect(await visible('#policy-0 .layer')).toEqual(['layer layer-all']);
    await page.locator('#policy-0 .classes label', { hasText: 'vhost' }).click();
    expect(await visible('#policy-0 .layer')).toEqual(['layer layer-vhost']);
    await page.keyboard.press('ArrowLeft');
    expect(await visible('#policy-0 .layer')).toEqual(['layer layer-softirq']);
  });

  test('steps of the packet unfold, and sort', async () => {
    const figure = page.locator('.packet').first();
    await figure.locator('summary').click();
    const head = figure.locator('th', { hasText: 'µs' });
    await head.locator('button').click();
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    const lengths = await figure
      .locator('tbody tr td:nth-child(2)')
      .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-sort'))));
    expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
  });

  test.each([1280, 360])('on %d pixels nothing but boxes scrolls sideways', async (width) => {
    await page.setViewportSize({ width, height: 740 });
    await page.selectOption('#policy', 'all');
    const [whole, seen] = await widths(page);
    expect(whole).toBeLessThanOrEqual(seen);
  });

  test('text has contrast in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const worst = await leastContrast(page);
      expect(worst.ratio, `${colorScheme}: ${worst.what}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('prints', async () => {
    await page.emulateMedia({ media: 'print', colorScheme: 'light' });
    expect((await page.pdf({ format: 'A4' })).length).toBeGreaterThan(10_000);
    await page.emulateMedia({ media: 'screen' });
  });
});
