/**
 * Disks of a simulation for people: queues, where completions went, tenants.
 *
 * Promise: a pure function of the result.
 */
import type { DiskResult } from '../simulate/disk/result.js';
import type { RunResult } from '../simulate/result/result.js';
import { formatFitting } from './fitting.js';
import { formatCount, formatNanoseconds } from './output.js';

const right = (title: string) => ({ title, align: 'right' as const });
const us = (value: number) => formatNanoseconds(value * 1000);

/** Tables of all disks of a run; none where there are no disks. */
export function diskTables({ disks = [] }: RunResult): string[] {
  return disks.flatMap((disk) => [
    `${disk.name}, queues chosen by ${disk.steer}: ${completionText(disk)}`,
    queueTable(disk),
    tenantTable(disk),
  ]);
}

function completionText({ completions }: DiskResult): string {
  const { local, ipi, softirq, polled, otherCpu, otherNode } = completions;
  const all = local + ipi + softirq + polled;
  const part = (count: number) => `${all === 0 ? 0 : Math.round((100 * count) / all)} %`;
  return (
    `completed in the interrupt ${part(local)}, by another CPU ${part(ipi)}, in the softirq ${part(softirq)}, ` +
    `polled ${part(polled)}; not on the submitter's CPU ${part(otherCpu)}, not on its node ${part(otherNode)}`
  );
}

function queueTable({ name, queues }: DiskResult): string {
  return formatFitting(
    [
      ...[{ title: name }, { title: 'for' }, { title: 'CPUs' }, { title: 'nodes' }, right('interrupt on')],
      ...[right('requests'), right('interrupts'), right('waits for a tag'), right('most under way')],
    ],
    queues.map(({ index, type, cpus, nodes, irqCpu, requests, interrupts, tagWaits, mostUnderWay }) => [
      ...[`queue ${index}`, type, ranges(cpus), nodes.join(','), irqCpu === null ? '-' : `CPU ${irqCpu}`],
      ...[requests, interrupts, tagWaits, mostUnderWay].map((count) => formatCount(count)),
    ]),
  );
}

function tenantTable({ tenants }: DiskResult): string {
  return formatFitting(
    [{ title: 'tenant' }, right('requests /s'), right('latency p50'), right('p99'), { title: 'queues' }],
    tenants.map(({ name, requestsPerSecond, latencyUs, queues }) => [
      ...[name, formatCount(requestsPerSecond), us(latencyUs.p50), us(latencyUs.p99), ranges(queues)],
    ]),
  );
}

/** `0-3,8`. */
function ranges(ids: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < ids.length; ) {
    let end = i;
    while (ids[end + 1] === ids[end]! + 1) end++;
    parts.push(end === i ? String(ids[i]) : `${ids[i]}-${ids[end]}`);
    i = end + 1;
  }
  return parts.join(',') || '-';
}
