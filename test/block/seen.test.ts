/** The model of NVMe's queues against what kernels showed: values of the soak (test/soak/nvme-queues.test.ts), kept. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blockBehaviour, nvmeQueues } from '#rxsteer/index.js';

const text = readFileSync(new URL('./seen.txt', import.meta.url), 'utf8');
const machines = text
  .split(/^= /m)
  .slice(1)
  .map((part) => part.trimEnd().split('\n'));

/** `0/1-` = core 0, node 1, may come later. */
function cpuOf(word: string) {
  const [, core, node, absent] = /^(\d+)\/(\d+)(-?)$/.exec(word)!;
  return { core: Number(core), node: Number(node), present: absent === '' };
}

describe('what kernels showed', () => {
  it('is enough', () => {
    expect(machines.length).toBeGreaterThan(16);
    expect(machines.reduce((sum, rows) => sum + rows.length - 1, 0)).toBeGreaterThan(300);
  });

  it.each(machines.map(([head, ...rows]) => [head!, rows] as const))('%s', (head, rows) => {
    const [kernel, ...cpus] = head.split(' ');
    const machine = { cpus: cpus.map(cpuOf) };
    const rules = blockBehaviour(kernel!);
    const told = rows.map((row) => {
      const [ioQueues, vectors, writeQueues, pollQueues] = row.split(' ', 4).map(Number);
      const setup = {
        ioQueues: ioQueues!,
        vectors: vectors!,
        writeQueues: writeQueues!,
        pollQueues: pollQueues!,
      };
      const { counts, queues } = nvmeQueues(machine, setup, rules);
      const lists = queues.filter((queue) => queue.cpus.length > 0);
      return [
        ...[ioQueues, vectors, writeQueues, pollQueues, Object.values(counts).join('/')],
        ...lists.map((queue) => `${queue.index}:${queue.cpus.join('+')}`),
      ].join(' ');
    });
    expect(told).toEqual(rows);
  });
});
