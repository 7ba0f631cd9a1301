/// <reference lib="dom" />
/**
 * The dashboard in headless Chromium, of a real forwarder under traffic: figures come, a plan is made and applied, a guest is
 * explained, in light and dark, by keyboard, on a phone, without a complaint of the browser or a request elsewhere.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endAll, start } from '../cli/run-cli.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
if (executablePath === undefined) console.warn('dashboard not shown in a browser: chromium is missing');
const socket = `/tmp/rxsteer-dashboard-soak-${process.pid}.sock`;

describe.skipIf(executablePath === undefined)('the dashboard in a browser', () => {
  let browser: Browser;
  let url: string;
  const complaints: string[] = [];
  const elsewhere: string[] = [];

  beforeAll(async () => {
    const forwarder = start([
      ...['forward', '--port', 'a=memory:source,flows=500,guests=4,rate=5000', '--port', 'b=memory:sink'],
      ...['--workers', '2', '--policy', 'rss:queues=2,weight=3+1', '--control', socket, '--allow-apply'],
    ]);
    await forwarder.line(/^ready$/m, 60_000);
    const dashboard = start(['dashboard', '--socket', socket, '--listen', '0', '--json']);
    await dashboard.line(/^\}$/m, 60_000);
    ({ url } = JSON.parse(dashboard.stdout));
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await endAll();
  });

  async function open(width: number, colorScheme: 'light' | 'dark'): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
        elsewhere.push(request.url());
    });
    await page.goto(url);
    await page.waitForSelector('#guests button', { timeout: 60_000 });
    return page;
  }

  test('shows figures, plans, applies, rolls back and explains', async () => {
    const page = await open(1280, 'light');
    expect(page.url()).toBe(`${new URL(url).origin}/`);
    expect(await page.textContent('#policy')).toBe('rss:queues=2,weight=3+1');
    await page.fill('#new-policy', 'rss:queues=2');
    await page.press('#new-policy', 'Enter');
    await page.waitForSelector('#plan li');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.waitForSelector('#plan .good');
    await expect
      .poll(() => page.textContent('#policy'), { timeout: 60_000 })
      .toContain('entries of its table were set since');
    await expect
      .poll(() => page.textContent('#events'), { timeout: 60_000 })
      .toContain('apply: table: 64 of 128');
    await page.getByRole('button', { name: 'Roll back' }).click();
    await expect.poll(() => page.textContent('#events'), { timeout: 60_000 }).toContain('rollback');
    await page.getByRole('button', { name: 'Why does 02:00:00:00:00:01' }).click();
    await page.waitForSelector('#why table');
    expect(await page.textContent('#why')).toContain('11.0.0.1');
    // And a flow, of those that bring most.
    const flow = (await page.textContent('#flows td code'))!;
    await page.getByRole('button', { name: `Why does ${flow}, received at` }).click();
    await page.waitForSelector(`#why h3:has-text("${flow}")`);
    await page.waitForSelector('#why table');
    expect(await page.textContent('#why td code')).toBe(flow);
    expect(await page.textContent('#why')).toContain('hashed');
    expect(await page.getAttribute('#heat', 'aria-label')).toMatch(/worker 0 has most: .* packets a second/);
    // Reloaded, it still has its token.
    await page.reload();
    await page.waitForSelector('#guests button', { timeout: 60_000 });
    await page.close();
  });

  test.each(['light', 'dark'] as const)('fits a phone and draws, %s', async (colours) => {
    const page = await open(360, colours);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.selectOption('#heat-what', 'guests');
    const painted = await page.locator('#heat').evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value) => value > 0);
    });
    expect(painted).toBe(true);
    await page.close();
  });

  test('can be used by keyboard alone', async () => {
    const page = await open(1280, 'dark');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('skip');
    const reached = new Set<string>();
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press('Tab');
      reached.add(
        await page.evaluate(() => document.activeElement?.id || document.activeElement?.tagName || ''),
      );
    }
    for (const id of ['heat-what', 'new-policy', 'BUTTON']) expect(reached).toContain(id);
    await page.close();
  });

  test('says so when the token is wrong', async () => {
    const page = await browser.newPage();
    await page.goto(`${new URL(url).origin}/#wrong`);
    await expect
      .poll(() => page.textContent('#state'), { timeout: 60_000 })
      .toContain('the token is missing or wrong');
    await page.close();
  });

  test('has made nobody complain', () => {
    expect(elsewhere).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
