/**
 * What threads of the host spend for guests' frames: processor time by the scheduler's own account, and how often they
 * went to sleep and were woken.
 *
 * Promise: threads that run a guest's code are counted apart: emulating its processor is no cost of the network. Reads
 * /proc; a thread that ends meanwhile is left out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isVirtualCpu } from './machines.js';

export interface Spent {
  /** Nanoseconds: this program, QEMU's other threads, QEMU's virtual CPUs. */
  readonly program: number;
  readonly emulator: number;
  readonly vcpus: number;
  /** Voluntary context switches of the program and of QEMU's other threads. */
  readonly wakeups: number;
}

interface Task {
  readonly ns: number;
  readonly switches: number;
  readonly vcpu: boolean;
}

function taskAt(at: string): Task | null {
  try {
    const [ns] = readFileSync(`${at}/schedstat`, 'utf8').split(' ');
    const switches = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`${at}/status`, 'utf8'))?.[1];
    const name = readFileSync(`${at}/comm`, 'utf8').trimEnd();
    return { ns: Number(ns), switches: Number(switches ?? 0), vcpu: isVirtualCpu(name) };
  } catch {
    return null;
  }
}

function tasksOf(pid: number): Task[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => taskAt(`/proc/${pid}/task/${task}`) ?? []);
}

const sum = (tasks: readonly Task[], pick: (task: Task) => number) =>
  tasks.reduce((a, task) => a + pick(task), 0);

/** So far. */
export function spentBy(program: number, machines: readonly number[]): Spent {
  const own = tasksOf(program);
  const theirs = machines.flatMap(tasksOf);
  const vcpus = theirs.filter(({ vcpu }) => vcpu);
  const others = theirs.filter(({ vcpu }) => !vcpu);
  return {
    program: sum(own, ({ ns }) => ns),
    emulator: sum(others, ({ ns }) => ns),
    vcpus: sum(vcpus, ({ ns }) => ns),
    wakeups: sum([...own, ...others], ({ switches }) => switches),
  };
}

export function between(before: Spent, after: Spent): Spent {
  return {
    program: after.program - before.program,
    emulator: after.emulator - before.emulator,
    vcpus: after.vcpus - before.vcpus,
    wakeups: after.wakeups - before.wakeups,
  };
}
