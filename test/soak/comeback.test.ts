/** Interfaces that go and come back a hundred times, in every way: what is sent afterwards arrives, in order. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { COMEBACKS, comebacks } from '../support/comeback.js';
import { canForward } from '../support/forwarder.js';

const TIMES = 100;

describe.skipIf(!canForward())('interfaces that come back again and again', () => {
  it('are received from and sent to in order each time, and other ports miss nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-soak-'));
    const kinds = ['tap', ...Object.keys(COMEBACKS)];
    try {
      await comebacks(
        folder,
        Array.from({ length: TIMES }, (_, n) => kinds[n % kinds.length]!),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
