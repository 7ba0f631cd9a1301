/** The metrics file: whole at any time, readable for everybody, and never in the way of the forwarder. */
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MetricsFile } from '#rxsteer/observe/metrics-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-metrics-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the metrics file', () => {
  it('is there at once, whole, and has the last word at the end', async () => {
    const path = join(folder, 'f.prom');
    let n = 0;
    const page = () => `${'x'.repeat(100_000)} ${++n}\n`;
    const file = new MetricsFile(path, page, (error) => expect(error).toBeNull(), 1);
    await expect.poll(() => n, { timeout: 20_000 }).toBeGreaterThan(20);
    for (let i = 0; i < 50; i++) {
      expect(readFileSync(path, 'utf8')).toMatch(/^x{100000} \d+\n$/);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe(`${'x'.repeat(100_000)} ${n}\n`);
    expect(readdirSync(folder)).toEqual(['f.prom']);
  }, 60_000);

  it('is readable for everybody under any umask, and is no file of others', async () => {
    const path = join(folder, 'f.prom');
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'mine');
    // In a folder where others may write, they know the name that comes.
    symlinkSync(victim, `${path}.${process.pid}.tmp`);
    symlinkSync(victim, path);
    const umask = process.umask(0o077);
    try {
      let written = 0;
      const told = (error: Error | null) => {
        expect(error).toBeNull();
        written++;
      };
      const file = new MetricsFile(path, () => 'a 1\n', told, 60_000);
      await expect.poll(() => written, { timeout: 20_000 }).toBe(1);
      expect(lstatSync(path).mode & 0o777).toBe(0o644);
      rmSync(path);
      symlinkSync(victim, `${path}.${process.pid}.tmp`);
      await file.close();
      expect(lstatSync(path).mode & 0o777).toBe(0o644);
      expect(lstatSync(path).isFile()).toBe(true);
    } finally {
      process.umask(umask);
    }
    expect(readFileSync(victim, 'utf8')).toBe('mine');
  });

  it('that cannot be written is a warning, tried again', async () => {
    const errors: (Error | null)[] = [];
    const path = join(folder, 'later', 'f.prom');
    const file = new MetricsFile(
      path,
      () => 'a 1\n',
      (error) => errors.push(error),
      5,
    );
    await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(errors.every((error) => error !== null)).toBe(true);
    await file.close();
    expect(readdirSync(folder)).toEqual([]);
  }, 60_000);
});
