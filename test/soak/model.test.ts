/** The model of the strict data plane with larger bounds than every test run has time for. */
import { describe, expect, test } from 'vitest';
import { missing, search } from '../model/search.js';

describe.skipIf(missing.length > 0)('the data plane under order=strict', { timeout: 600_000 }, () => {
  test.each([
    ['three workers', ['N=3', 'W=3', 'BURST=1', 'HOLD_MAX=1']],
    ['two workers, five frames, one dies at any moment', ['N=5', 'W=2', 'DEATH']],
    ['two workers, either dies at any moment', ['N=4', 'W=2', 'DEATH', 'POLLER_DEATH']],
  ])('never overtakes, loses or waits for ever: %s', (_, defines) => {
    expect(search('dataplane.pml', ...defines)).toMatchObject({ errors: 0, complaint: '' });
  });
});
