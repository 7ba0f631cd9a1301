/** A forwarder in one call: what is wrong gets one line before anything is opened. */
import { describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { Engine, engineDefaults, parsePolicy, parsePort, startForwarder, summarize } from '#rxsteer/index.js';
import { expectConservation } from '../../support/summary.js';

const ports = ['a=memory:source,packets=3000,flows=40', 'b=memory:sink'];

describe('startForwarder', () => {
  it('takes ports and policy as the command line does, with as many workers as the policy names', async () => {
    const engine = await startForwarder({ ports, policy: { policy: 'rss', queues: 3 } });
    await engine.drained;
    await engine.stop();
    const summary = summarize(engine);
    expectConservation(summary as never);
    expect(summary.totals).toMatchObject({ received: 3000, delivered: 3000 });
    expect(summary.workers).toHaveLength(3);
    expect(summary.workers.every(({ processed }) => processed > 0)).toBe(true);
  });

  it.each([
    [{}, /ports: at least two are needed/],
    [{ ports: ports[0] }, /ports: at least two are needed/],
    [{ ports: [ports[0]] }, /ports: at least two are needed/],
    [{ ports: ['a', 'b'] }, /a: expected/],
    [{ ports, polcy: 'rss' }, /unknown setting "polcy": known: .*policy/],
    [{ ports, policy: 'rsss' }, /unknown policy "rsss"/],
    [{ ports, workers: 0 }, /workers 0: expected a whole number from 1 to 256/],
    [{ ports, workers: '2' }, /^workers 2: expected/],
    [{ ports, backlog: Number.NaN }, /backlog NaN: expected a whole number/],
    [{ ports, smallFrames: 1e9 }, /smallFrames 1000000000: expected a whole number from 256/],
    [{ ports, spinMaxUs: -1 }, /spinMaxUs -1/],
    [
      { ports, orderLimits: { postponeMaxMs: 1, holdMaxFrames: 0.5, holdMaxMs: 1 } },
      /orderLimits.holdMaxFrames 0.5/,
    ],
    [{ ports, switching: { ageingSeconds: 0, learnLimit: 1, fdb: [] } }, /switching.ageingSeconds 0/],
  ])('refuses %j', async (settings, message) => {
    const error = await startForwarder(settings as never).then(
      (engine) => engine.stop(),
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });

  it('is Engine.start with the defaults, which checks numbers itself', async () => {
    const options = {
      ...engineDefaults,
      ports: ports.map((port) => parsePort(port)),
      policy: parsePolicy('single', { command: 'forward' }),
      policyText: 'single',
    };
    await expect(Engine.start(options as never)).rejects.toThrow(/^workers undefined: expected/);
  });
});
