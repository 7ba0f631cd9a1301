import { defineConfig } from 'vitest/config';

// Minutes of steady traffic: `npm run soak` (SOAK_MINUTES, default 3).
export default defineConfig({
  test: {
    include: ['test/soak/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 24 * 3600 * 1000,
    server: { deps: { external: [/\/dist\//] } },
  },
});
