/** What is said of ports whose program does not follow a change. */
import { describe, expect, it } from 'vitest';
import { PortPrograms, type ProgramParts } from '#rxsteer/dataplane/engine/port-programs.js';
import type { LiveConfig } from '#rxsteer/dataplane/shared/config.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

const policyOf = (text: string) => parsePolicy(text, { command: 'forward', workers: 2 });

async function said(before: string, after: string, table: number[] | null = null): Promise<string[]> {
  const lines: string[] = [];
  const port = { index: 0, rxQueues: 2, firstPoller: 0, removed: false };
  const ports = [
    { ...port, name: 'x', steered: 2 },
    { ...port, name: 'gone', steered: 2, removed: true },
    { ...port, name: 'plain' },
  ];
  const plan = { ports, policy: policyOf(before) };
  const config = { plan, table: null, fence: 0 } as unknown as LiveConfig;
  const parts = {
    config: () => config,
    compiled: () => ({ spec: plan.policy }),
    warn: (line: string) => lines.push(line),
    advance: async () => [],
  } as unknown as ProgramParts;
  const policy = after === before ? plan.policy : policyOf(after);
  await new PortPrograms(parts).publish({ plan: { ...config.plan, policy }, table });
  return lines;
}

describe('a port with an XDP program of the start', () => {
  const nic = 'rss:queues=2,stage=nic';

  it('is told of where a policy or table does not reach it', async () => {
    const line = [expect.stringMatching(/^port x: its XDP program goes on .* ctl port remove and add/)];
    expect(await said(nic, 'rss:queues=2,key=symmetric,stage=nic')).toEqual(line);
    expect(await said(nic, nic, [0, 1])).toEqual(line);
  });

  it('is not where workers hand over, or nothing has changed', async () => {
    expect(await said('rss:queues=2', 'rss:queues=2,key=symmetric')).toEqual([]);
    expect(await said(nic, nic)).toEqual([]);
  });
});
