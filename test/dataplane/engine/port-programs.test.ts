/** What a change does to the programs of ports: in which order, and where there is none. Kernel and workers are recorded. */
import { describe, expect, it } from 'vitest';
import { PortPrograms, type ProgramParts } from '#rxsteer/dataplane/engine/port-programs.js';
import { queueBase } from '#rxsteer/dataplane/shared/counters.js';
import { type Dealt, pollerOf } from '#rxsteer/dataplane/shared/deal.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

const WORKERS = 2;
/** Two queues of a device, two sockets each. */
const TO = {
  among: WORKERS,
  queues: 4,
  start: 'xdp',
  mayHandOver: true,
  waits: () => false,
  capacity: () => 1,
};

const policyOf = (text: string) => parsePolicy(text, { command: 'forward', workers: WORKERS });

/** Changes the policy of an engine with one such port. */
async function change(after: string, { order = 'strict', mayHandOver = true } = {}) {
  const steps: string[] = [];
  const lines: string[] = [];
  const info = { index: 0, firstQueue: 0, rxQueues: 4, firstPoller: 0, removed: false, name: 'x' };
  const ports = [{ ...info, programmed: { among: WORKERS, where: 'in XDP' } }];
  const plan = { ports, order, policy: policyOf('rss:queues=2') };
  let config = { plan, table: null, fence: 0 };
  const steering = {
    ...{ to: { ...TO, mayHandOver }, policy: 'before', has: () => false },
    load: () => ({ loaded: { close() {} } }),
    gather: () => steps.push('gather'),
    use: () => steps.push('use'),
  };
  const parts = {
    config: () => config,
    compiled: () => compilePolicy(plan.policy, { workers: WORKERS }),
    warn: (line: string) => lines.push(line),
    advance: async (next: Partial<typeof config>) => {
      config = { ...config, ...next };
      const port = config.plan.ports[0] as unknown as Dealt & { handsOver?: boolean };
      const pollers = [0, 1, 2, 3].map((q) => pollerOf({ active: WORKERS }, port, q));
      steps.push(`${port.handsOver === true ? 'hand over ' : ''}${pollers.join(' ')}`);
      return [];
    },
    pause: async () => {},
    views: { counters: { queue: new Float64Array(queueBase(4)) } },
    ports: { live: new Map([[0, { steering }]]) },
    stopping: false,
  } as unknown as ProgramParts;
  const policy = policyOf(after);
  const compiled = compilePolicy(policy, { workers: WORKERS });
  await new PortPrograms(parts).publish({ compiled, plan: { ...plan, policy } as never });
  return { steps, lines, says: steering.policy };
}

describe('a change of the policy', () => {
  it('gathers at the first queue of each of the device’s, then scatters, then all poll', async () => {
    const { steps, lines, says } = await change('mac-hash');
    expect(steps).toEqual(['-1 1 -1 1', 'gather', '0 -1 0 -1', 'use', '0 1 0 1']);
    expect(lines).toEqual([]);
    expect(says).toBe('mac-hash');
  });

  it('puts the program in at once where no order is promised', async () => {
    expect((await change('mac-hash', { order: 'none' })).steps).toEqual(['use', '0 1 0 1']);
  });

  it('to one without a program lets workers hand over, and says so', async () => {
    const { steps, lines, says } = await change('round-robin');
    expect(steps).toEqual(['hand over 0 1 0 1']);
    expect(lines).toEqual([expect.stringMatching(/^port x: its program goes on as it is, .*round-robin/)]);
    expect(says).toBeNull();
  });

  it('is refused where nobody would carry it out', async () => {
    const refused = expect.objectContaining({ code: 'RXS_INEXPRESSIBLE' });
    await expect(change('round-robin:stage=nic')).rejects.toEqual(refused);
    await expect(change('round-robin', { mayHandOver: false })).rejects.toEqual(refused);
  });
});
