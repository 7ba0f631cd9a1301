/**
 * The report in a real browser: it renders without errors or requests, sorts, switches policies, fits a phone, prints.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderReport } from '#rxsteer/report/index.js';
import { bareImages, browserPath, leastContrast, type Opened, open, widths } from './browser-kit.js';
import { policyOf, resultOf } from './fixture.js';

if (browserPath === undefined) console.warn('report not shown in a browser: chromium is missing');

const result = resultOf([
  policyOf('rss:queues=4', [400, 300, 200, 100]),
  policyOf('rps:cpus=0-3', [250, 250, 250, 250], { handoffsPerPacket: 0.75, queues: [] }),
  policyOf(
    'rss:queues=16',
    Array.from({ length: 16 }, (_, w) => (w === 15 ? 1000 : 20)),
  ),
]);

describe.skipIf(browserPath === undefined)('the report in a browser', { timeout: 180_000 }, () => {
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let requests: string[];
  let opened: Opened;

  beforeAll(async () => {
    opened = await open(renderReport(result));
    ({ browser, page, complaints, requests } = opened);
  }, 180_000);

  afterAll(() => opened?.close());

  const visible = () =>
    page.locator('section[data-policy]:visible').evaluateAll((all) => all.map((s) => s.id));
  const column = (table: string, index: number) =>
    page.locator(`${table} tbody tr td:nth-child(${index})`).allTextContents();

  test('renders without a complaint and asks for nothing but itself', async () => {
    expect(await page.title()).toBe('Where this traffic goes');
    expect(await page.locator('.winner').textContent()).toContain('rps:cpus=0-3');
    expect(complaints).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  test('shows the hottest policy first, and any other that is chosen', async () => {
    expect(await visible()).toEqual(['policy-2']);
    await page.selectOption('#policy', '0');
    expect(await visible()).toEqual(['policy-0']);
    await page.selectOption('#policy', 'all');
    expect(await visible()).toEqual(['policy-0', 'policy-1', 'policy-2']);
    await page.locator('#comparison a', { hasText: 'rss:queues=16' }).click();
    await expect.poll(visible).toEqual(['policy-2']);
    expect(complaints).toEqual([]);
  });

  test('draws the load over time, one line a worker or three for many', async () => {
    await page.selectOption('#policy', '0');
    expect(await page.locator('#policy-0 canvas').count()).toBe(1);
    expect(await page.locator('#policy-0 .u-legend .u-series').count()).toBe(1 + 4);
    await page.selectOption('#policy', '2');
    expect(await page.locator('#policy-2 .u-legend .u-series').count()).toBe(1 + 3);
    const box = await page.locator('#policy-2 canvas').boundingBox();
    expect(box!.width).toBeGreaterThan(200);
  });

  test('sorts by mouse and by keyboard, and says how', async () => {
    const head = page.locator('#comparison th', { hasText: 'fullest / fair' });
    await head.locator('button').click();
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    expect(await column('#comparison', 4)).toEqual(['12.31', '1.60', '1.00']);
    await head.locator('button').focus();
    await page.keyboard.press('Enter');
    expect(await head.getAttribute('aria-sort')).toBe('ascending');
    expect(await column('#comparison', 4)).toEqual(['1.00', '1.60', '12.31']);
    await page.locator('#comparison th', { hasText: 'policy' }).locator('button').click();
    expect(await column('#comparison', 2)).toEqual(['rps:cpus=0-3', 'rss:queues=16', 'rss:queues=4']);
  });

  test('fits a phone: nothing but tables scrolls sideways', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.selectOption('#policy', 'all');
    const [whole, seen] = await widths(page);
    expect(whole).toBeLessThanOrEqual(seen);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test.each([1280, 390])(
    'shows all of the comparison on %d pixels, however long the policies',
    async (width) => {
      const long = `rss:nic=ixgbe-82599,queues=16,key=${'6d5a'.repeat(20)},types=ipv4+tcp-ipv4+udp-ipv4`;
      const other = await browser.newPage({ viewport: { width, height: 800 } });
      const advice = [{ id: 'table', severity: 'hint' as const, text: `${long}: a table`, commands: [long] }];
      await other.setContent(
        renderReport(resultOf([...result.policies, policyOf(long, [123_456_789, 10])], { advice })),
      );
      const [whole, seen] = await widths(other);
      expect(whole).toBeLessThanOrEqual(seen);
      const [scroll, client] = await other
        .locator('#comparison .scroll')
        .evaluate((box) => [box.scrollWidth, box.clientWidth]);
      await other.close();
      expect(scroll).toBeLessThanOrEqual(client!);
    },
  );

  test('text has contrast in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const worst = await leastContrast(page);
      expect(worst.ratio, `${colorScheme}: ${worst.what}`).toBeGreaterThanOrEqual(4.5);
    }
    expect(complaints).toEqual([]);
  });

  test('every picture has a text alternative', async () => {
    expect(await bareImages(page)).toBe(0);
  });

  test('prints every policy', async () => {
    await page.selectOption('#policy', '0');
    await page.emulateMedia({ media: 'print', colorScheme: 'light' });
    expect(await visible()).toEqual(['policy-0', 'policy-1', 'policy-2']);
    expect((await page.pdf({ format: 'A4' })).length).toBeGreaterThan(10_000);
    await page.emulateMedia({ media: 'screen' });
  });
});
