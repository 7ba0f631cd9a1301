/** Interfaces that come back after they were away: the port receives and sends as before, in order. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { comebacks } from '../../support/comeback.js';
import { canForward } from '../../support/forwarder.js';
import { inSoak } from '../../support/matrix.js';

describe.skipIf(!canForward())('an interface that comes back', () => {
  inSoak('is received from and sent to in order, and other ports miss nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    try {
      await comebacks(folder, [
        'deleted, and made again with another MAC address',
        'tap',
        'moved to another namespace and back at once',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
