/**
 * The switch between real interfaces while everything about it changes many times a second: under strict order nothing
 * is late and nothing lost uncounted; the same traffic shows what the other orders lose. Minutes of it: test/soak.
 */
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS } from '../support/scenario.js';
import { expectStrict, stress } from '../support/stress.js';

const KINDS = ['policy', 'table', 'workers', 'ports', 'consumers', 'task', 'rewrite', 'rollback'];
const ready = canForward() && availableParallelism() >= 2;

describe.skipIf(!ready)(
  'a forwarder whose configuration never rests',
  { timeout: SCENARIO_TIMEOUT_MS },
  () => {
    it('reorders nothing, and loses nothing uncounted', async () => {
      await withLab(async (lab) => {
        const options = {
          order: 'strict',
          seed: 20_261,
          rate: 6000,
          flows: 100,
          burst: 3,
          restMs: 12,
        } as const;
        const outcome = await stress(lab, { ...options, until: { changes: KINDS } });
        expectStrict(outcome);
        // Every kind of change was made while the frames passed, and flows moved by them.
        for (const kind of KINDS) {
          expect(outcome.changes[kind] ?? 0, JSON.stringify(outcome)).toBeGreaterThan(0);
        }
        expect(outcome.summary.totals.moves).toBeGreaterThan(0);
      });
    });

    it.each(matrix(['round-robin', 'none', 'linux'] as const, []))(
      'the same traffic is reordered under %s',
      async (order) => {
        await withLab(async (lab) => {
          const outcome = await stress(lab, {
            order,
            seed: 7,
            rate: 20_000,
            flows: 20,
            until: 'late',
            restMs: 10,
          });
          expect(outcome.failure).toBeNull();
          // The ledger has seen it, and the receivers have.
          expect(outcome.summary.totals.reordered).toBeGreaterThan(0);
          expect(outcome.reordered).toBeGreaterThan(0);
        });
      },
    );
  },
);
