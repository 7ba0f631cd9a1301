/**
 * Real reads of real block devices through io_uring, in a guest: null_blk with several queues, polled and not, and an NVMe
 * controller with one. A ring for each worker on a CPU of its own, tenants steered by a policy.
 *
 * A poll queue that CPUs share is emptied by whoever polls it, so that there only sums are told.
 *
 * The oracles are the kernel's: where requests began and were completed (tracepoints), what the device counted, the CPUs
 * of its queues. Where a completion belongs is the model's word (`completionOf`, `mapQueues`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BlockMachine,
  blockBehaviour,
  completionOf,
  explain,
  formatQueueCpus,
  mapQueues,
  nvmeQueues,
  queueCpus,
  type RqAffinity,
} from '#rxsteer/index.js';
import { addProgram, GUEST_REPOSITORY } from '../support/guest.js';
import { kernelsWith, runStorageGuest } from '../support/storage-guest.js';

const MODULES = ['fs/configfs/configfs', 'drivers/block/null_blk/null_blk'];
const CPUS = 4;
const TENANTS = 8;
const READS = 200;
const POLICY = 'rps:cpus=0-3,seed=2';
/** A tenant is a flow to the policy. */
const FLOWS = Array.from({ length: TENANTS }, (_, t) => `tcp 192.0.2.${t + 1}:${1000 + t} > 198.51.100.1:1`);
/** Reads that are under way when a ring is closed, for each worker. */
const AWAY = 8;
/** Two sockets, whose cores share a cache each. */
const SMP = `${CPUS},sockets=2,cores=2`;
const machine: BlockMachine = {
  cpus: Array.from({ length: CPUS }, (_, core) => ({ core, node: 0, cache: core >> 1 })),
};

/** What `ring-driver.mjs` does and tells of it. */
interface Told {
  readonly own: number[][];
  readonly told: {
    readonly cpu: number;
    readonly tenants: number[];
    readonly done: number[];
    readonly results: Record<string, number>;
    readonly cpus: Record<string, number>;
    readonly calls: number;
  }[];
  readonly queued: number[];
  readonly completed: number[];
  readonly queues: Record<string, string>;
  readonly device: { reads: number; sectors: number };
  readonly facts: string;
}

/** The module anew, under these parameters. */
const nullBlock = (parameters: string) =>
  `rmmod null_blk 2>/dev/null; insmod /modules/1.ko gb=1 nr_devices=1 hw_queue_depth=1023 poll_queues=0 ${parameters}; echo 2 > /sys/block/nullb0/queue/nomerges`;
const NVME = '/sys/bus/pci/drivers/nvme';
/** The driver bound anew, with so many poll queues. */
const nvme = (polls: number, affinity: number) => `
a=$(ls ${NVME} | grep : | head -n 1); echo $a > ${NVME}/unbind; echo ${polls} > /sys/module/nvme/parameters/poll_queues
echo $a > ${NVME}/bind; n=0; until [ -b /dev/nvme0n1 ] || [ $((n += 1)) -gt 300 ]; do usleep 100000; done
echo ${affinity} > /sys/block/nvme0n1/queue/rq_affinity; echo 2 > /sys/block/nvme0n1/queue/nomerges`;
/** CPU of the interrupt of its I/O queue. */
const IRQ = `set -- $(ls ${NVME}/*/msi_irqs | sort -n); cat /proc/irq/$2/effective_affinity_list`;

const direct = { direct: true };
const polled = { direct: true, polled: true };
const RUNS = {
  buffered: { setUp: nullBlock('submit_queues=4 irqmode=1'), device: 'nullb0', ring: {} },
  four: {
    setUp: nullBlock('submit_queues=4 irqmode=2 completion_nsec=20000'),
    device: 'nullb0',
    ring: direct,
  },
  two: { setUp: nullBlock('submit_queues=2 irqmode=1'), device: 'nullb0', ring: direct },
  polled: { setUp: nullBlock('submit_queues=2 poll_queues=4'), device: 'nullb0', ring: polled },
  shared: { setUp: nullBlock('submit_queues=3 poll_queues=1'), device: 'nullb0', ring: polled },
  unpolled: { setUp: nullBlock('submit_queues=4'), device: 'nullb0', ring: polled },
  affinity0: { setUp: nvme(0, 0), device: 'nvme0n1', ring: direct, facts: IRQ },
  affinity1: { setUp: nvme(0, 1), device: 'nvme0n1', ring: direct, facts: IRQ },
  affinity2: { setUp: nvme(0, 2), device: 'nvme0n1', ring: direct, facts: IRQ },
  nvmePolled: { setUp: nvme(1, 1), device: 'nvme0n1', ring: polled },
} as const;
type Name = keyof typeof RUNS;
const NAMES = Object.keys(RUNS) as Name[];

const kernels = kernelsWith(...MODULES);
const reason = typeof kernels === 'string' ? kernels : '';
if (reason !== '') process.stderr.write(`reads in a guest are skipped: ${reason}\n`);

describe.skipIf(reason !== '')('reads through io_uring in a guest', () => {
  const [kernel] = typeof kernels === 'string' ? [] : kernels;
  const rules = blockBehaviour(kernel?.version ?? '6.1');
  const runs = new Map<Name, Told>();

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-rings-'));
    try {
      const driver = `${GUEST_REPOSITORY}/test/support/ring-driver.mjs`;
      const common = { policy: POLICY, workers: CPUS, flows: FLOWS, reads: READS, depth: 8 };
      const plan = JSON.stringify(NAMES.map((name) => ({ ...common, ...RUNS[name] })));
      const shown = await runStorageGuest(folder, kernel!, {
        script: `mount -t tracefs tracefs /sys/kernel/tracing; echo; node ${driver} '${plan}'`,
        smp: SMP,
        // Of the two queues that it grants one is polled where that is asked for.
        controllers: [{ ioQueues: 2, vectors: 2 }],
        memory: 1500,
        patienceMs: 1_200_000,
        prepare: (root) => {
          addProgram(root);
          root.file(fileURLToPath(new URL('../support/ring-driver.mjs', import.meta.url)), driver);
        },
      });
      const told = [...shown.matchAll(/^@run (.*)$/gm)].map(([, text]) => JSON.parse(text!) as Told);
      expect(told.length, shown.slice(-3000)).toBe(NAMES.length);
      NAMES.forEach((name, i) => {
        runs.set(name, told[i]!);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  afterAll(() => {
    for (const [name, { device, queued, completed, told }] of runs) {
      const calls = told.reduce((sum, one) => sum + one.calls, 0);
      process.stderr.write(
        `${name}: ${device.reads} reads, begun ${queued.join('/')}, completed ${completed.join('/')}, ${((TENANTS * READS) / calls).toFixed(1)} a system call\n`,
      );
    }
  });

  /** Reads of each worker, those at the closing too. */
  const askedOf = ({ own }: Told) => own.map((tenants) => tenants.length * READS + AWAY);
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

  it.each(NAMES)(
    '%s: each tenant gets its reads from the ring of the worker that the policy chose, once',
    (name) => {
      const run = runs.get(name)!;
      const chosen = Array.from({ length: CPUS }, (): number[] => []);
      FLOWS.forEach((flow, tenant) => {
        chosen[explain(POLICY, flow, { workers: CPUS }).worker]!.push(tenant);
      });
      expect(run.own).toEqual(chosen);
      // Else less would be told apart.
      expect(chosen.every((tenants) => tenants.length > 0)).toBe(true);
      run.told.forEach(({ cpu, tenants, done, results, cpus }, worker) => {
        expect([cpu, tenants]).toEqual([worker, chosen[worker]]);
        expect(done).toEqual(tenants.map(() => READS));
        // Without poll queues 6.1 reads by interrupt; a kernel that refuses says so in each read's own result.
        const result = name === 'unpolled' && Object.hasOwn(results, '-95') ? '-95' : '4096';
        expect(results).toEqual(tenants.length === 0 ? {} : { [result]: tenants.length * READS });
        expect(cpus).toEqual(tenants.length === 0 ? {} : { [worker]: tenants.length * READS });
      });
    },
  );

  it.each(NAMES.filter((name) => name !== 'buffered' && name !== 'unpolled'))(
    '%s: the device had exactly these reads, begun where the worker runs',
    (name) => {
      const run = runs.get(name)!;
      expect(run.queued).toEqual(askedOf(run));
      expect(run.device).toEqual({ reads: sum(askedOf(run)), sectors: 8 * sum(askedOf(run)) });
      expect(sum(run.completed)).toBe(sum(run.queued));
    },
  );

  it.each(['four', 'two', 'polled'] as const)('%s: completed on the CPU that submitted, or polls', (name) => {
    const { queued, completed } = runs.get(name)!;
    expect(completed).toEqual(queued);
  });

  it.each([0, 1, 2] as const)(
    'rq_affinity=%d of a disk with one interrupt: completed where the model says',
    (affinity) => {
      const { queued, completed, facts } = runs.get(`affinity${affinity}`)!;
      const found = Number(facts);
      expect(facts).toMatch(/^\d$/);
      const expected = Array<number>(CPUS).fill(0);
      queued.forEach((count, submitter) => {
        const request = { submitter, found, queueCpus: CPUS, queues: 1 };
        const { cpu } = completionOf(request, affinity as RqAffinity, machine, { rules });
        expected[cpu]! += count;
      });
      expect(completed).toEqual(expected);
    },
  );

  it.each([
    ['four', 4, 0],
    ['two', 2, 0],
    ['polled', 2, 4],
    ['shared', 3, 1],
  ] as const)('%s: queues have the CPUs that the model gives them', (name, submit, poll) => {
    const maps = {
      default: mapQueues(submit, machine, rules),
      ...(poll === 0 ? {} : { poll: mapQueues(poll, machine, rules, submit) }),
    };
    const lists = queueCpus(maps, submit + poll).map(formatQueueCpus);
    expect(runs.get(name)!.queues).toEqual(Object.fromEntries(lists.map((list, queue) => [queue, list])));
  });

  it('the disk has one queue with an interrupt, and one to poll where asked for', () => {
    for (const [name, pollQueues] of [
      ['affinity0', 0],
      ['nvmePolled', 1],
    ] as const) {
      const { queues } = nvmeQueues(machine, { ioQueues: 2, vectors: 2, pollQueues }, rules);
      const lists = queues.map(({ index, cpus }) => [index, formatQueueCpus(cpus)]);
      expect(runs.get(name)!.queues).toEqual(Object.fromEntries(lists));
    }
  });
});
