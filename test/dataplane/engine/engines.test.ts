/**
 * Engines at their limits: beside each other on one interface, through changes without end, with ports that do not fit,
 * and where descriptors are short. Each scenario is a process in a network namespace of its own.
 */
import { describe, expect, it } from 'vitest';
import { problem, scenario, title } from '../../native/netns.js';
import { inSoak } from '../../support/matrix.js';

const run = <T>(name: string) => scenario<T>('engines', name, import.meta.url);

describe.skipIf(problem !== '')(title('engines'), () => {
  it('that receive from one interface with several queues each get every frame', async () => {
    const { sent, received } = await run<{ sent: number; received: number[] }>('sameInterface');
    expect(sent).toBe(3000);
    expect(received).toEqual([3000, 3000]);
  });

  it('keep neither descriptors nor rings of what has gone, and stop twice', async () => {
    const { seen, received, removed } = await run<{
      seen: number[][];
      received: number;
      removed: object[];
    }>('changes');
    expect(seen).toEqual([seen[0], seen[0], seen[0]]);
    expect(received).toBeGreaterThan(0);
    // Those of a name are one entry.
    expect(removed).toMatchObject([{ name: 'q', removedPorts: 16 }]);
  });

  inSoak(
    'leave MTUs alone for a port that is refused, and raise them again behind one that has gone',
    async () => {
      const { seen, refused, left } = await run<{ seen: number[]; refused: string; left: number }>('mtus');
      expect(seen).toEqual([1500, 1500, 1000, 1500]);
      expect(refused).toContain('no such port, please');
      expect(left).toBe(0);
    },
  );

  it('outlive a want of descriptors: starts and ports are refused, a lost thread comes back with them', async () => {
    const seen = await run<Record<string, unknown>>('scarce');
    expect(seen).toMatchObject({ leaked: 0, afterPort: 0, ports: 3, failure: null, conserved: true });
    expect(seen.start100).toMatch(/Too many open files/);
    expect(seen.port).toMatch(
      /^UserError: --port q: too few file descriptors are left for the workers \(28 are needed\): raise the limit/,
    );
    expect(seen.deaths).toBeGreaterThan(0);
  });
});
