/** Reads through io_uring against files whose content is known: every read once, its tenant, its bytes or its error. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { openReadRing, UserError } from '#rxsteer/index.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-ring-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'disk');
const BLOCKS = 100;
writeFileSync(file, new Uint8Array(BLOCKS * 4096 + 100));

/** Why the kernel refuses, or ''. */
function refused(): string {
  try {
    openReadRing(file).close();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
const reason = refused();
if (reason !== '') process.stderr.write(`tests of io_uring are skipped: ${reason}\n`);

describe.skipIf(reason !== '')('a ring', () => {
  it('completes every read once, under its number, and no more are under way than it has entries', () => {
    const ring = openReadRing(file, { entries: 5 });
    expect([ring.size, ring.blocks]).toEqual([BLOCKS * 4096 + 100, BLOCKS]);
    const seen: number[] = [];
    let next = 0;
    while (seen.length < 300) {
      const room = Math.min(ring.entries - ring.underWay, 300 - next);
      for (let i = 0; i < room; i++, next++) {
        ring.wanted[i] = next % BLOCKS;
        ring.asked[i] = next;
      }
      const complete = ring.burst(room, 1);
      expect(complete).toBeGreaterThan(0);
      expect(ring.underWay).toBeLessThan(6);
      for (let i = 0; i < complete; i++) {
        expect(ring.results[i]).toBe(4096);
        seen.push(ring.done[i]!);
      }
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    // More than fits is not taken.
    expect(ring.burst(1000, 5)).toBe(5);
    expect(ring.underWay).toBe(0);
    ring.close();
    ring.close();
    expect(ring.burst(1, 1)).toBe(-9);
  });

  it('tells what cannot be read as a result: behind the end, in part, no block at all', () => {
    const ring = openReadRing(file);
    [BLOCKS, BLOCKS + 5, -1, Number.NaN, 1e300, Number.POSITIVE_INFINITY].forEach((block, i) => {
      ring.wanted[i] = block;
      ring.asked[i] = i;
    });
    const results: number[] = [];
    for (let left = 6; left > 0; ) {
      const complete = ring.burst(left === 6 ? 6 : 0, 1);
      for (let i = 0; i < complete; i++) results[ring.done[i]!] = ring.results[i]!;
      left -= complete;
    }
    expect(results).toEqual([100, 0, -22, -22, -22, -22]);
    ring.close();
  });

  it('may be closed, or its thread ended, with reads under way', async () => {
    for (let n = 0; n < 20; n++) {
      const ring = openReadRing(file, { entries: 64, blockBytes: 512 });
      ring.burst(64, 0);
      ring.close();
    }
    const code = `const { openReadRing } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
      const ring = openReadRing(${JSON.stringify(file)}); ring.burst(64, 0); process.exit(0);`;
    const worker = new Worker(`import('node:vm'); (async () => { ${code} })()`, { eval: true });
    const status = await new Promise((resolve) => worker.on('exit', resolve));
    expect(status).toBe(0);
  });
});

describe('what is refused', () => {
  it.each([
    [() => openReadRing(file, { entries: 0 }), 'entries 0: wanted a whole number from 1 to 4096'],
    [
      () => openReadRing(file, { blockBytes: 1000 }),
      'blockBytes 1000: wanted a power of two from 512 to 1048576',
    ],
    [() => openReadRing(join(folder, 'absent')), 'ENOENT'],
    [() => openReadRing(folder), 'a regular file or a block device is read'],
    [() => openReadRing('/dev/zero'), 'a regular file or a block device is read'],
  ])('%s', (open, message) => {
    expect(open).toThrow(UserError);
    if (message !== 'ENOENT') expect(open).toThrow(message);
  });

  it('a pipe that nobody writes to, at once', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => openReadRing(pipe)).toThrow('a regular file or a block device is read');
  });
});
