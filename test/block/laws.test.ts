/** What holds for every machine and number of queues, whatever the release; and what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelSort } from '#rxsteer/block/kernel-sort.js';
import {
  type BlockCpu,
  blockBehaviour,
  blockMachine,
  completionOf,
  groupCpusEvenly,
  mapQueues,
  nvmeQueues,
  queueCpus,
  queueFor,
} from '#rxsteer/index.js';

const SORTS = ['single', 'double-single', 'double'] as const;
const releases = fc.constantFrom('5.15', '6.1', '6.6', '6.10', '6.12', '6.17', '7.0');
const machines = fc
  .array(
    fc.record({
      core: fc.nat(20),
      node: fc.nat(4),
      cluster: fc.nat(5),
      present: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((cpus): { cpus: BlockCpu[] } => ({
    cpus: cpus.map((cpu, id) => ({ ...cpu, present: cpu.present || id === 0 })),
  }));

describe('groups of CPUs', () => {
  it('have each CPU once, and those of a node differ by one in size where everything is present', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 1, max: 60 }), releases, ({ cpus }, count, release) => {
        const rules = blockBehaviour(release);
        const machine = { cpus: cpus.map((cpu) => ({ ...cpu, present: true })) };
        const { groups, filled } = groupCpusEvenly(count, machine, rules);
        expect(groups).toHaveLength(count);
        expect(groups.flat().sort((a, b) => a - b)).toEqual(cpus.map((_, id) => id));
        const nodes = new Set(cpus.map(({ node }) => node)).size;
        expect(filled).toBe(count <= nodes ? count : Math.min(count, cpus.length));
        if (count <= nodes || rules.clusters) return;
        for (const group of groups) expect(new Set(group.map((cpu) => cpus[cpu]!.node)).size).toBeLessThan(2);
        for (let node = 0; node < 5; node++) {
          const sizes = groups
            .filter(([cpu]) => cpu !== undefined && cpus[cpu]!.node === node)
            .map((g) => g.length);
          if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(2);
        }
      }),
    );
  });

  it('give a present CPU to every group as long as there are enough, also where others may come', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 1, max: 60 }), releases, (machine, count, release) => {
        const rules = { ...blockBehaviour(release), fewGroups: 'stage' as const };
        const { groups } = groupCpusEvenly(count, machine, rules);
        expect(groups.flat().sort((a, b) => a - b)).toEqual(machine.cpus.map((_, id) => id));
        const present = machine.cpus.filter((cpu) => cpu.present).length;
        const some = groups.filter((group) => group.some((cpu) => machine.cpus[cpu]!.present)).length;
        expect(some).toBeLessThanOrEqual(Math.min(count, present));
        const nodes = new Set(machine.cpus.filter((cpu) => cpu.present).map(({ node }) => node)).size;
        if (count > nodes) expect(some).toBe(Math.min(count, present));
      }),
    );
  });

  it('equal ones come in the order that the release gives them', () => {
    const ordered = (release: string, count: number) => {
      const items = Array.from({ length: count }, (_, i) => i);
      kernelSort(items, () => 0, blockBehaviour(release).sort);
      return items.join('');
    };
    const of = (count: number) => ['6.8', '6.9', '6.10', '6.11'].map((release) => ordered(release, count));
    // As the C text of these releases leaves them.
    expect(of(3)).toEqual(['120', '120', '120', '210']);
    expect(of(5)).toEqual(['12340', '13420', '13420', '31420']);
  });

  it('sorting is sorting', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), fc.constantFrom(...SORTS), (values, kind) => {
        const sorted = [...values];
        kernelSort(sorted, (a, b) => a - b, kind);
        expect(sorted).toEqual([...values].sort((a, b) => a - b));
      }),
    );
  });
});

describe('maps', () => {
  it('give every CPU a queue of the range, and siblings one queue where queues are fewer than cores', () => {
    fc.assert(
      fc.property(
        machines,
        fc.integer({ min: 1, max: 60 }),
        fc.nat(9),
        releases,
        (machine, queues, offset, release) => {
          const map = mapQueues(queues, machine, blockBehaviour(release), offset);
          expect(map).toHaveLength(machine.cpus.length);
          for (const queue of map) {
            expect(queue).toBeGreaterThanOrEqual(offset);
            expect(queue).toBeLessThan(offset + queues);
          }
        },
      ),
    );
    const machine = blockMachine({ cores: 8, threads: 2 });
    const map = mapQueues(4, machine, blockBehaviour('6.12'));
    for (let cpu = 0; cpu < 8; cpu++) expect(map[cpu]).toBe(map[cpu + 8]);
  });

  it('of a controller cover all CPUs for writes, reads and polled requests', () => {
    const nvme = fc.record({
      ioQueues: fc.integer({ min: 1, max: 80 }),
      vectors: fc.integer({ min: 1, max: 80 }),
      writeQueues: fc.nat(8),
      pollQueues: fc.nat(8),
    });
    fc.assert(
      fc.property(machines, nvme, releases, (machine, setup, release) => {
        const cpus = machine.cpus.length;
        const own = {
          ...setup,
          writeQueues: Math.min(setup.writeQueues, cpus),
          pollQueues: Math.min(setup.pollQueues, cpus),
        };
        const { counts, maps, queues, vectors } = nvmeQueues(machine, own, blockBehaviour(release));
        expect(queues).toHaveLength(counts.default + counts.read + counts.poll);
        expect(queues.length).toBeLessThanOrEqual(own.ioQueues);
        expect(counts.default).toBeGreaterThan(0);
        expect(vectors).toBeLessThanOrEqual(own.vectors);
        for (let cpu = 0; cpu < cpus; cpu++) {
          const typeFor = (request: object) => queues[queueFor(maps, cpu, request)]!.type;
          expect(typeFor({})).toBe('default');
          expect(typeFor({ read: true })).toBe(counts.read > 0 ? 'read' : 'default');
          expect(typeFor({ polled: true })).toBe(counts.poll > 0 ? 'poll' : 'default');
        }
        expect(queueCpus(maps, queues.length)).toEqual(queues.map((queue) => queue.cpus));
      }),
    );
  });
});

describe('interrupts', () => {
  it('go to CPUs that are online, and to isolated ones only where a queue has no others', () => {
    const machine = blockMachine({ cores: 6 });
    const cpus = machine.cpus.map((cpu, id) => ({ ...cpu, isolated: id !== 1, online: id !== 3 }));
    const { queues } = nvmeQueues({ cpus }, { ioQueues: 3, pollQueues: 1 }, blockBehaviour('6.1'));
    expect(queues.map(({ irqCpus, irqTargets }) => [irqCpus, irqTargets])).toEqual([
      [[0, 1, 2], [1]],
      [
        [3, 4, 5],
        [4, 5],
      ],
      [[], []],
    ]);
  });
});

describe('completion', () => {
  const machine = blockMachine({ sockets: 2, cores: 4, caches: 2 });
  const rules = blockBehaviour('6.12');
  const way = (submitter: number, found: number, affinity: 0 | 1 | 2, more: object = {}) => {
    const completed = { submitter, found, queueCpus: 4, queues: 4, ...more };
    const { cpu, by } = completionOf(completed, affinity, machine, { rules, ...more });
    return `${cpu} ${by}`;
  };

  it('follows rq_affinity: where it comes, near, or on the CPU', () => {
    expect([way(1, 0, 0), way(1, 0, 1), way(1, 0, 2)]).toEqual(['0 local', '0 local', '1 ipi']);
    expect([way(2, 0, 0), way(2, 0, 1), way(2, 0, 2)]).toEqual(['0 local', '2 ipi', '2 ipi']);
    expect(way(0, 0, 2)).toBe('0 local');
  });

  it('of the only queue goes through the softirq, of a polled request nowhere else, with threaded interrupts neither', () => {
    expect(way(1, 0, 1, { queues: 1 })).toBe('0 softirq');
    expect(way(4, 0, 2, { polled: true })).toBe('0 local');
    expect(way(4, 0, 2, { threadedIrqs: true })).toBe('0 local');
  });

  it('of a queue with one CPU depends on the release', () => {
    const lonely = { queueCpus: 1 };
    expect(way(4, 0, 1, { ...lonely, rules: blockBehaviour('6.0') })).toBe('4 ipi');
    expect(way(4, 0, 1, { ...lonely, rules: blockBehaviour('6.4') })).toBe('0 local');
    expect(way(4, 0, 1, lonely)).toBe('4 ipi');
  });

  it('does not wake a CPU that is offline, nor stay on a smaller one', () => {
    const cpus = machine.cpus.map((cpu, id) => ({
      ...cpu,
      online: id !== 4,
      capacity: id === 0 ? 512 : 1024,
    }));
    const of = (submitter: number, release: string) =>
      completionOf(
        { submitter, found: 0, queueCpus: 4, queues: 4 },
        1,
        { cpus },
        { rules: blockBehaviour(release) },
      ).cpu;
    expect(of(4, '6.12')).toBe(0);
    expect([of(1, '6.12'), of(1, '6.8')]).toEqual([1, 0]);
  });
});

describe('what is refused', () => {
  const machine = blockMachine({ cores: 2 });
  it.each([
    [() => blockBehaviour('six'), 'kernel release "six": wanted MAJOR.MINOR, for example 6.12'],
    [() => blockBehaviour('5.4'), 'kernel release "5.4": the block layer is known from 5.15 on'],
    [() => blockMachine({ cores: 0 }), 'cores 0: wanted a whole number from 1'],
    [() => blockMachine({ cores: 3, caches: 2 }), 'caches 2 does not divide 3 cores of a socket'],
    [() => groupCpusEvenly(0, machine), '0 groups of CPUs: wanted 1 to 65535'],
    [() => mapQueues(1.5, machine), '1.5 hardware queues: wanted 1 to 65535'],
    [() => mapQueues(1, { cpus: [] }), 'a machine of 0 CPUs: wanted 1 to 8192'],
    [() => mapQueues(1, { cpus: [{ core: 0, node: 0, online: false }] }), 'no CPU of the machine is online'],
    [
      () => mapQueues(1, { cpus: [{ core: 0, node: -1 }] }),
      'CPU 0: node -1: wanted a whole number from 0 to 1023',
    ],
    [() => nvmeQueues(machine, { ioQueues: 0 }), 'ioQueues 0: wanted a whole number from 1 to 65535'],
    [
      () => nvmeQueues(machine, { ioQueues: 1, pollQueues: 3 }),
      'pollQueues 3: wanted a whole number from 0 to 2',
    ],
    [
      () => nvmeQueues(machine, { ioQueues: 1, vectors: 0 }),
      'vectors 0: wanted a whole number from 1 to 2048',
    ],
  ])('%s', (call, message) => {
    expect(call).toThrow(message);
  });
});
