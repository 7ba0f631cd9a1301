import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

// Minutes of steady traffic: `npm run soak` (SOAK_MINUTES, default 3). And the tests of which `npm test` runs a part,
// whole: those that name test/support/matrix.ts.
const parts = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((file) => `test/${file}`)
  .filter((file) => file.endsWith('.test.ts') && readFileSync(file, 'utf8').includes('support/matrix.js'));

export default defineConfig({
  test: {
    include: [...new Set(['test/soak/**/*.test.ts', ...parts])],
    env: { RXSTEER_WHOLE: '1' },
    fileParallelism: false,
    testTimeout: 24 * 3600 * 1000,
    hookTimeout: 3600 * 1000,
    expect: { poll: { timeout: 300_000 } },
    server: { deps: { external: [/\/dist\//] } },
  },
});
