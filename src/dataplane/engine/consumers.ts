/**
 * Where the consumer behind each port runs: a worker named by the user (`cpu=N`), or the one on the CPU on which the
 * scheduler last ran a task (`follow=PID`: a VM's vCPU or vhost thread, or any other), or where it ran most of the tasks
 * that read the port's queues (`follow=guest`: the vCPUs of the guest that is connected; the port hears of each).
 *
 * Promise: `refresh` brings the shared words up to date (worker + 1 for each port; 0 = not known) and lets policies
 * follow: `rfs` records the flows of what is delivered to the port under that worker (the workers do that), `mac` with
 * `assign=follow-cpu` gives it the port and the port's guests. A task that is gone, or runs on a CPU that no worker is
 * pinned to, has no known worker: nothing is recorded then, and what was recorded stays. As in the kernel a consumer
 * that moves is noticed late, here at the next look, and its flows move only with their next frame.
 *
 * Main thread only; the words are read by workers at any time.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../../errors.js';
import { MacSteering } from '../../policy/mac.js';
import { RfsSteering } from '../../policy/rfs.js';
import type { Steering } from '../../policy/steering.js';
import type { Consumer } from '../ports/kind.js';
import type { PortSpec } from '../ports/kinds.js';
import type { LivePort } from '../ports/live-port.js';
import type { EnginePlan } from '../shared/plan.js';

/** State of a port's consumer. */
export interface ConsumerSummary {
  /** `cpu=N`, `follow=PID` or `follow=guest`. */
  rule: string;
  /** The worker that it runs on; null where that is not known. */
  worker: number | null;
  /** How often it was seen to have moved to another worker. */
  moves: number;
}

/**
 * The CPU on which the scheduler last ran a task (field 39 of `/proc/PID/task/TID/stat`, proc(5)); null when there is
 * no such task. The id of any thread will do: every thread is a task of itself.
 */
export function taskCpu(task: number): number | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${task}/task/${task}/stat`, 'latin1');
  } catch {
    return null;
  }
  // Field 2 is a name that may hold anything: fields are counted from the last parenthesis on, behind which is the third.
  const cpu = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[39 - 3]);
  return Number.isInteger(cpu) ? cpu : null;
}

/** The worker that stands for a CPU: the one pinned there; where none is pinned, the one of that number. Else -1. */
export function workerOn(plan: Pick<EnginePlan, 'active' | 'cpus'>, cpu: number): number {
  const cpus = plan.cpus.slice(0, plan.active);
  if (cpus.some((pinned) => pinned >= 0)) return cpus.indexOf(cpu);
  return cpu < plan.active ? cpu : -1;
}

/** Refuses consumers (`cpu=N`) on workers that there are not. Throws UserError. */
export function checkNamedConsumers(ports: Iterable<PortSpec>, workers: number): void {
  for (const { name, consumer } of ports) {
    if (consumer?.kind === 'cpu' && consumer.worker >= workers) {
      throw new UserError(`--port ${name}: cpu=${consumer.worker}: there are workers 0 to ${workers - 1}`);
    }
  }
}

/** Refuses consumers that cannot be. Throws UserError. */
export function checkConsumers(ports: readonly PortSpec[], workers: number): void {
  checkNamedConsumers(ports, workers);
  for (const { name, consumer } of ports) {
    if (consumer?.kind === 'follow' && taskCpu(consumer.task) === null) {
      throw new UserError(`--port ${name}: follow=${consumer.task}: there is no such process or thread`);
    }
  }
}

interface Watched {
  readonly index: number;
  readonly name: string;
  readonly consumer: Consumer;
  /** Last known worker, or -1. */
  worker: number;
  moves: number;
  gone: boolean;
}

export class ConsumerWatch {
  private watched: Watched[];
  private steering: Steering | null = null;

  /**
   * @param plan the plan as it is now
   * @param words `EngineViews.consumers`
   */
  constructor(
    private readonly plan: () => EnginePlan,
    specs: readonly PortSpec[],
    private readonly words: Int32Array,
    private readonly warn: (message: string) => unknown,
    /** The open port of an index, for consumers that only it knows. */
    private readonly live: (index: number) => LivePort | undefined = () => undefined,
  ) {
    this.watched = [];
    specs.forEach((spec, index) => {
      this.add(spec, index);
    });
  }

  /** A port that comes. */
  add({ name, consumer }: PortSpec, index: number): void {
    if (consumer === null) return;
    this.watched.push({ index, name, consumer, worker: -1, moves: 0, gone: false });
  }

  /** A port that goes. */
  remove(index: number): void {
    this.watched = this.watched.filter((port) => port.index !== index);
    Atomics.store(this.words, index, 0);
  }

  /** The policy that runs from now on, an instance over the shared memory of the workers' own. */
  adopt(steering: Steering): void {
    this.steering = steering;
    const follows =
      steering instanceof RfsSteering ||
      (steering instanceof MacSteering && steering.spec.assign === 'follow-cpu');
    for (const { name, consumer } of follows ? [] : this.watched) {
      this.warn(
        `port ${name}: ${ruleOf(consumer)} has no effect under policy ${steering.spec.policy}: rfs and mac:assign=follow-cpu follow consumers`,
      );
    }
    this.refresh();
  }

  /** Where a consumer runs can change by itself. */
  get following(): boolean {
    return this.watched.some(({ consumer }) => consumer.kind !== 'cpu');
  }

  /** Looks where consumers run. */
  refresh(): void {
    for (const port of this.watched) {
      const worker = this.locate(port);
      if (worker >= 0 && port.worker >= 0 && worker !== port.worker) port.moves++;
      if (worker >= 0) port.worker = worker;
      Atomics.store(this.words, port.index, worker + 1);
      // Every time: a policy that a restarted worker compiles sets its configured owners again.
      if (worker >= 0 && this.steering instanceof MacSteering && this.steering.spec.assign === 'follow-cpu') {
        this.steering.owners.followPort(port.index, worker);
      }
    }
  }

  private locate(port: Watched): number {
    const { consumer } = port;
    if (consumer.kind === 'cpu') return consumer.worker;
    if (consumer.kind === 'guest') return this.locateGuest(port);
    const cpu = taskCpu(consumer.task);
    if (cpu === null) {
      if (!port.gone)
        this.warn(`port ${port.name}: task ${consumer.task} is gone: its flows stay where they are`);
      port.gone = true;
      return -1;
    }
    return workerOn(this.plan(), cpu);
  }

  /** Where most of a guest's readers run; of several such places the one it had. */
  private locateGuest({ index, worker }: Watched): number {
    const port = this.live(index);
    const readers = port?.readers() ?? [];
    const plan = this.plan();
    const workers = readers.map(({ task }) => {
      const cpu = taskCpu(task);
      return cpu === null ? -1 : workerOn(plan, cpu);
    });
    port?.placeReaders(readers, workers);
    const known = workers.filter((on) => on >= 0);
    const votes = (one: number) => known.filter((on) => on === one).length;
    const more = (a: number, b: number) => votes(a) > votes(b) || (votes(a) === votes(b) && a === worker);
    return known.reduce((best, on) => (more(on, best) ? on : best), -1);
  }

  /** State of the consumer of port `index`; null where it has none. */
  summary(index: number): ConsumerSummary | null {
    const port = this.watched.find((watched) => watched.index === index);
    if (port === undefined) return null;
    const known = Atomics.load(this.words, index);
    return { rule: ruleOf(port.consumer), worker: known > 0 ? known - 1 : null, moves: port.moves };
  }
}

function ruleOf(consumer: Consumer): string {
  if (consumer.kind === 'cpu') return `cpu=${consumer.worker}`;
  return consumer.kind === 'guest' ? 'follow=guest' : `follow=${consumer.task}`;
}
