import { describe, expect, test } from 'vitest';
import { MIXES, POLICIES, policyOf, STAGES } from '#rxsteer/bench/verdict/mixes.js';
import { type CaseFacts, type Comparison, summary, verdict } from '#rxsteer/bench/verdict/words.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';

const facts = (policy: CaseFacts['policy'], more: Partial<CaseFacts> = {}): CaseFacts => ({
  policy,
  packetsPerSecond: 1e6,
  cpuNs: 200,
  handoffs: 0,
  wakeups: 0,
  waitedNs: 0,
  workersPerGuest: 1,
  ...more,
});

const comparison = (more: Partial<Comparison>): Comparison => ({
  mix: MIXES[0]!,
  stage: 'cpu',
  workers: 2,
  mac: facts('mac'),
  flow: facts('rss', { cpuNs: 300, handoffs: 0.5, wakeups: 0.02, waitedNs: 90, workersPerGuest: 2 }),
  ratio: 1.38,
  ci95: [1.34, 1.41],
  ...more,
});

describe('the verdict', () => {
  test('names the winner, by how much, and why', () => {
    expect(verdict(comparison({}))).toBe(
      "8 guests, even, steered by the CPU: MAC steering (mac): +38 % [+34 %, +41 %] packets a second against rss, 200 instead of 300 ns of CPU a packet, 0.00 instead of 0.50 hand-offs a packet, 0.000 instead of 0.020 wake-ups a packet, 0 instead of 90 ns a packet waiting for a guest's queue, because a guest's queue is touched by 1.0 instead of 2.0 workers",
    );
  });

  test('comes out the other way too, and says nothing that the figures do not', () => {
    const text = verdict(
      comparison({
        mix: { ...MIXES[0]!, name: '1 guest', guests: 1 },
        stage: 'nic',
        mac: facts('mac'),
        flow: facts('rss', { workersPerGuest: 2, waitedNs: 50 }),
        ratio: 0.5,
        ci95: [0.4, 0.8],
      }),
    );
    expect(text).toContain('1 guest, steered by the NIC: flow steering (rss): +100 % [+25 %, +150 %]');
    expect(text).toContain('one guest is the work of one of 2 workers under MAC steering');
    expect(text).not.toContain('hand-offs');
    expect(text).not.toContain('waiting');
  });

  test('does not decide where the interval holds 1', () => {
    const undecided = comparison({ ratio: 1.1, ci95: [0.97, 1.2] });
    expect(verdict(undecided)).toContain('no difference that this run can tell');
    const flow = comparison({ stage: 'nic', ratio: 0.5, ci95: [0.4, 0.6] });
    expect(summary([comparison({}), flow, undecided])).toBe(
      'verdict: steer by MAC with: 8 guests, even (cpu). Steer by flow with: 8 guests, even (nic). Elsewhere this run cannot tell them apart.',
    );
    expect(summary([flow])).toContain('Steer by MAC with: nowhere'.replace('S', 's'));
  });
});

test('every policy of every mix compiles at both stages', () => {
  for (const mix of MIXES) {
    for (const stage of STAGES) {
      for (const name of POLICIES) {
        for (const workers of [2, 4]) {
          const spec = policyOf(name, stage, mix, workers);
          expect(spec).toMatchObject({ stage, order: 'strict' });
          expect(compilePolicy(spec, { workers }).workers).toBe(workers);
        }
      }
    }
  }
});
