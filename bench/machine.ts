/** What the figures were measured on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly hypervisor: boolean;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly memoryBytes: number;
  /** Load average of the last minute before the run: figures taken beside other work are worth little. */
  readonly loadBefore: number;
  readonly takenAt: string;
}

export function describeMachine(): Machine {
  let flags = '';
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux.
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    hypervisor: /^flags.*\bhypervisor\b/m.test(flags),
    kernel: release(),
    node: process.versions.node,
    v8: process.versions.v8,
    memoryBytes: totalmem(),
    loadBefore: loadavg()[0]!,
    takenAt: new Date().toISOString(),
  };
}
