/**
 * The model of Linux's NVMe queues against Linux: guests of several shapes with several controllers, whose driver is
 * bound anew under other parameters. The oracle is what the kernel shows: `mq/N/cpu_list`, the driver's own count of
 * queues, the CPUs of each interrupt.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BlockMachine, blockBehaviour, formatQueueCpus, nvmeQueues } from '#rxsteer/index.js';
import { type Controller, kernelsWith, runStorageGuest } from '../support/storage-guest.js';

/** `-smp`, and the CPUs of each node. */
const SHAPES: readonly {
  readonly smp: string;
  readonly nodes: readonly string[];
  readonly isolated?: string;
}[] = [
  { smp: '1', nodes: [] },
  { smp: '8,sockets=1,cores=4,threads=2', nodes: [] },
  { smp: '8,sockets=2,cores=4,threads=1', nodes: ['0-3', '4-7'] },
  { smp: '8,sockets=2,cores=2,threads=2', nodes: ['0-3', '4-7'] },
  { smp: '8,sockets=2,cores=4,threads=1', nodes: ['0-3', '4-7'], isolated: '1,3,4-7' },
  { smp: '7,sockets=7', nodes: ['0-1', '2-6'] },
  { smp: '8,sockets=8', nodes: ['0-2', '3-4', '5-6', '7'] },
  { smp: '9,sockets=9', nodes: ['0,3', '1,4', '2,5', '6-8'] },
  { smp: '4,sockets=1,cores=8,threads=1,maxcpus=8', nodes: [] },
  { smp: '6,sockets=3,cores=2,threads=2,maxcpus=12', nodes: [] },
];
const CONTROLLERS: readonly Controller[] = [
  ...[1, 2, 3, 5, 6, 64].map((ioQueues) => ({ ioQueues })),
  { ioQueues: 8, vectors: 1 },
  { ioQueues: 8, vectors: 4 },
];
/** `write_queues`, `poll_queues`; cut to what the machine permits. */
const PARAMETERS = [
  [0, 0],
  [2, 0],
  [1, 3],
] as const;

const kernels = kernelsWith('drivers/nvme/host/nvme');
const reason = typeof kernels === 'string' ? kernels : '';
if (reason !== '') process.stderr.write(`tests with NVMe controllers are skipped: ${reason}\n`);

const SCRIPT = [
  'cd /sys/devices/system/cpu',
  'echo; echo "@machine $(cat possible) $(cat present) $(cat online)"',
  'for c in cpu[0-9]*; do t=$c/topology; [ -r $t/thread_siblings_list ] || continue; ' +
    'n=$(ls -d $c/node* 2>/dev/null); ' +
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
    'echo "@cpu ${c#cpu} $(cat $t/thread_siblings_list) $(cat $t/cluster_cpus_list) ${n##*/node}"; done',
  'p=/sys/module/nvme/parameters; d=/sys/bus/pci/drivers/nvme; all=$(ls $d | grep :)',
  'bound() { n=0; until [ -d $d/$1/nvme/nvme*/nvme*n1/mq ] || [ $((n += 1)) -gt 300 ]; do usleep 100000; done; }',
  ...PARAMETERS.map(
    ([writes, polls]) => `
w=$(($(nproc) < ${writes} ? $(nproc) : ${writes})); q=$(($(nproc) < ${polls} ? $(nproc) : ${polls}))
for a in $all; do echo $a > $d/unbind; done
echo $w > $p/write_queues; echo $q > $p/poll_queues; dmesg -c > /dev/null
for a in $all; do echo $a > $d/bind; done; for a in $all; do bound $a; done
for a in $all; do s=$(cat $d/$a/nvme/nvme*/serial); echo "@device \${s%% *} $w $q"
m=$(echo $d/$a/nvme/nvme*/nvme*n1/mq); for h in $m/*; do echo "@mq \${h##*/} $(cat $h/cpu_list)"; done
for i in $(ls $d/$a/msi_irqs | sort -n); do echo "@irq $(cat /proc/irq/$i/smp_affinity_list) $(cat /proc/irq/$i/effective_affinity_list)"; done
c=$(echo $d/$a/nvme/nvme*); echo "@counts $(dmesg | sed -n "s/.*\${c##*/}: \\(.*\\) default.read.poll queues/\\1/p" | tail -n 1)"; done`,
  ),
  'echo @end',
].join('\n');

/** CPUs of `0-3,8`. */
const list = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });

/**
 * What the kernel knows of its CPUs, and which of them are isolated. Of those that are not there it tells nothing: they are
 * alone, on the first node.
 */
function machineOf(shown: string, isolated: readonly number[]): BlockMachine {
  const [, possible, present, online] = /^@machine (\S+) (\S+) (\S+)/m.exec(shown)!;
  const known = new Map(
    [...shown.matchAll(/^@cpu (\d+) (\S+) (\S+) (\d*)$/gm)].map(([, cpu, siblings, cluster, node]) => [
      Number(cpu),
      { core: list(siblings!)[0]!, cluster: list(cluster!)[0]!, node: Number(node) },
    ]),
  );
  const [there, running] = [list(present!), list(online!)];
  return {
    cpus: list(possible!).map((cpu) => ({
      ...(known.get(cpu) ?? { core: cpu, node: 0 }),
      present: there.includes(cpu),
      online: running.includes(cpu),
      isolated: isolated.includes(cpu),
    })),
  };
}

/** Each device under each parameters, as the console has it. */
function seen(shown: string) {
  return shown
    .split(/^@device /m)
    .slice(1)
    .map((text) => {
      const [serial, writes, polls] = text.split(/\s+/);
      return {
        controller: CONTROLLERS[Number(serial!.slice(1))]!,
        parameters: { writeQueues: Number(writes), pollQueues: Number(polls) },
        mq: Object.fromEntries([...text.matchAll(/^@mq (\d+) (.*)$/gm)].map(([, n, cpus]) => [n, cpus])),
        irqs: [...text.matchAll(/^@irq (\S+) (.*)$/gm)].map(([, cpus, chosen]) => ({
          ...{ cpus: list(cpus!), chosen: list(chosen!) },
        })),
        counts: /^@counts (.*)$/m.exec(text)![1]!,
      };
    });
}

let combinations = 0;
const values: unknown[] = [];

describe.skipIf(reason !== '')('NVMe queues', () => {
  if (reason !== '') it(`(${reason})`, () => {});
  for (const kernel of typeof kernels === 'string' ? [] : kernels) {
    it.each(SHAPES)(`${kernel.version}: -smp $smp $nodes $isolated`, async ({ smp, nodes, isolated }) => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-nvme-'));
      try {
        const numa = nodes.flatMap((cpus, n) => [
          ...['-object', `memory-backend-ram,id=m${n},size=${512 / nodes.length}M`],
          ...[
            '-numa',
            `node,nodeid=${n},memdev=m${n},${cpus
              .split(',')
              .map((part) => `cpus=${part}`)
              .join(',')}`,
          ],
        ]);
        const shown = await runStorageGuest(folder, kernel, {
          ...{ script: SCRIPT, smp, options: numa, controllers: CONTROLLERS, patienceMs: 600_000 },
          append: isolated === undefined ? '' : `isolcpus=managed_irq,${isolated}`,
        });
        expect(shown).toContain('@end');
        const machine = machineOf(shown, isolated === undefined ? [] : list(isolated));
        const rules = blockBehaviour(kernel.version);
        const devices = seen(shown);
        expect(devices).toHaveLength(CONTROLLERS.length * PARAMETERS.length);
        for (const { controller, parameters, mq, irqs, counts } of devices) {
          const model = nvmeQueues(machine, { vectors: 65, ...controller, ...parameters }, rules);
          const told = {
            mq: Object.fromEntries(
              model.queues.flatMap(({ index, cpus }) =>
                cpus.length > 0 ? [[index, formatQueueCpus(cpus)]] : [],
              ),
            ),
            irqs: model.queues.flatMap(({ irqCpus, vector }) => (vector ? [irqCpus] : [])),
            counts: Object.values(model.counts).join('/'),
          };
          expect(told, `${JSON.stringify({ controller, parameters })}`).toEqual({
            mq,
            irqs: irqs.slice(1).map(({ cpus }) => cpus),
            counts,
          });
          const targets = model.queues.flatMap(({ irqTargets, vector }) => (vector ? [irqTargets] : []));
          irqs.slice(1).forEach(({ chosen }, i) => {
            // Of a queue without requests, whose CPUs are all offline, the interrupt is shut down.
            if (targets[i]!.length > 0) expect(targets[i], JSON.stringify(chosen)).toContain(chosen[0]);
          });
          combinations++;
          values.push({ kernel: kernel.version, machine, controller, parameters, mq, counts });
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
  afterAll(() => {
    process.stderr.write(`${combinations} combinations compared\n`);
    const file = process.env.RXSTEER_NVME_VALUES;
    if (file) writeFileSync(file, JSON.stringify(values));
  });
  it('compared at least sixty', () => {
    expect(combinations).toBeGreaterThanOrEqual(60);
  });
});
