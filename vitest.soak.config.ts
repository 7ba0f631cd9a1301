import { defineConfig } from 'vitest/config';

// Minutes of steady traffic: `npm run soak` (SOAK_MINUTES, default 3). And scenarios of which `npm test` runs a part
// (test/support/matrix.ts), whole.
export default defineConfig({
  test: {
    include: [
      'test/soak/**/*.test.ts',
      'test/scenario/{iperf,offload,order,wire-order}.test.ts',
      'test/{package/package,setup,cli/demo,model/spin,native/hash,traffic/find/flows}.test.ts',
      'test/{examples,index-docs}.test.ts',
      'test/dataplane/{order/schedule,ports/vhost-user/hostile}.test.ts',
    ],
    env: { RXSTEER_WHOLE: '1' },
    fileParallelism: false,
    testTimeout: 24 * 3600 * 1000,
    hookTimeout: 3600 * 1000,
    server: { deps: { external: [/\/dist\//] } },
  },
});
