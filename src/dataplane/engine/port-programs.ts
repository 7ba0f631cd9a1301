/**
 * Ports whose receive queue the kernel chooses by the running policy: their programs, and how they change.
 *
 * Promise: whatever changes what the policy decides (the policy, its table, owners, workers) changes these programs with it;
 * what has no program, or what the kernel refuses, is refused before anything has happened, or, where the port says so
 * (`SteeredQueues.mayHandOver`) and nobody relies on the program alone (`stage=nic`), the program stays as it is and workers
 * hand over. Under `order=strict` no frame of a flow overtakes another while a program is replaced, although the flow's
 * frames lie in two queues then:
 *
 *   gather    nobody polls queue 0, and a program puts every frame there; the others' pollers take what they have left,
 *             until they are empty and all of it is finished
 *   scatter   only queue 0 is polled, and the new program chooses; until what was gathered is taken and finished
 *
 * then all queues are polled again. Frames wait in the kernel meanwhile, some milliseconds in all; a queue that has no room
 * for so many drops and counts them. A port that comes begins with `scatter`: it was opened with all in queue 0. Where the
 * program chooses for each queue of a device, queue 0 is each one's first.
 *
 * Main thread only.
 */
import type { Program } from '../../bpf/assembler.js';
import { UserError } from '../../errors.js';
import type { Steering } from '../../policy/steering.js';
import { isProgram } from '../../programs/policy-program.js';
import { type QueueChoice, queueProgram } from '../../programs/queue-program.js';
import type { OpenPorts } from '../ports/open.js';
import type { QueueSteering, ReadyProgram } from '../ports/queue-steering.js';
import type { LiveConfig } from '../shared/config.js';
import { QueueCounter, queueBase } from '../shared/counters.js';
import type { EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import type { ConfigChange } from './config-change.js';

/** What was gathered is taken within this time, unless workers stand still. */
const PATIENCE_MS = 2000;
const POLL_MS = 1;

/** What it needs of the engine. */
export interface ProgramParts {
  readonly ports: OpenPorts;
  readonly views: EngineViews;
  readonly warn: (message: string) => unknown;
  config(): LiveConfig;
  compiled(): Steering;
  /** Makes a configuration the newest and waits for the workers; those that did not follow in time. */
  advance(change: ConfigChange): Promise<readonly number[]>;
  /** Waits so long, or until the engine stops. */
  pause(ms: number): Promise<void>;
  readonly stopping: boolean;
}

interface Replacement {
  readonly info: PortInfo;
  readonly steering: QueueSteering;
  readonly program: Program;
  ready: ReadyProgram | null;
}

/** What a change means for the programs. */
interface Programs {
  /** Those that are another one afterwards. */
  readonly list: readonly Replacement[];
  /** Ports whose program stays although it is not the policy's, and why, by index. */
  readonly handOver: ReadonlyMap<number, string>;
}

type Gate = PortInfo['gate'];

/** The ports with this gate at those of the list, and none elsewhere. */
function gated(ports: readonly PortInfo[], at: readonly Replacement[], gate?: Gate): PortInfo[] {
  return ports.map(({ gate: _, ...info }) =>
    gate !== undefined && at.some((one) => one.info.index === info.index) ? { ...info, gate } : info,
  );
}

/** Numbers of the port's queues that are the first ones among those that a program chooses from, or all others. */
function queuesOf({ among, queues }: QueueChoice, which: 'first' | 'others'): number[] {
  const all = Array.from({ length: queues }, (_, q) => q);
  return all.filter((q) => (q % among === 0) === (which === 'first'));
}

export class PortPrograms {
  constructor(private readonly p: ProgramParts) {}

  private steeringOf(info: PortInfo): QueueSteering | null {
    if (info.programmed === undefined || info.removed) return null;
    return this.p.ports.live.get(info.index)?.steering ?? null;
  }

  /** What a plan under this policy means. @throws UserError where a program is needed and there is none */
  private programsFor(plan: EnginePlan, compiled: Steering, table: readonly number[] | null): Programs {
    const entries = compiled.spec.policy === 'rss' ? table : null;
    const list: Replacement[] = [];
    const handOver = new Map<number, string>();
    for (const info of plan.ports) {
      const steering = this.steeringOf(info);
      if (steering === null) continue;
      const program = queueProgram(compiled, { index: info.index, ...steering.to }, entries);
      if (isProgram(program)) {
        if (!steering.has(program)) list.push({ info, steering, program, ready: null });
      } else if (steering.to.mayHandOver && info.gate === undefined && plan.policy.stage !== 'nic') {
        handOver.set(info.index, program.why);
      } else {
        throw new UserError(
          `port ${info.name}: the kernel cannot choose its queue by policy ${compiled.spec.text}: ${program.why}`,
          { code: 'RXS_INEXPRESSIBLE' },
        );
      }
    }
    return { list, handOver };
  }

  /** Loads all or none. @throws UserError */
  private load(list: readonly Replacement[]): void {
    for (const one of list) {
      try {
        one.ready = one.steering.load(one.program);
      } catch (error) {
        for (const { ready } of list) ready?.loaded.close();
        throw new UserError(`port ${one.info.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
      }
    }
  }

  private use(list: readonly Replacement[]): void {
    for (const { steering, ready } of list) steering.use(ready!);
  }

  /** Says what the ports' programs are now; `handOver` as in `Programs`. */
  private note({ ports, policy }: EnginePlan, handOver: ReadonlyMap<number, string>): void {
    for (const info of ports) {
      const steering = this.steeringOf(info);
      if (steering !== null) steering.policy = handOver.has(info.index) ? null : policy.text;
    }
  }

  private warnOf({ ports, policy }: EnginePlan, handOver: ReadonlyMap<number, string>): void {
    for (const [index, why] of handOver) {
      this.p.warn(
        `port ${ports[index]!.name}: its program goes on as it is, and workers hand over what it spreads otherwise: policy ${policy.text} has none: ${why}`,
      );
    }
  }

  /** Before any worker runs: the ports get their programs. @throws UserError */
  begin(plan: EnginePlan): void {
    const { list, handOver } = this.programsFor(plan, this.p.compiled(), null);
    this.load(list);
    this.use(list);
    this.note(plan, handOver);
  }

  /** When all workers run: ends the `scatter` that ports begin with. */
  async open(): Promise<void> {
    const { plan, fence } = this.p.config();
    const waiting = plan.ports.filter(({ gate }) => gate !== undefined);
    if (waiting.length === 0) return;
    await this.taken(waiting);
    await this.p.advance({ plan: { ...plan, ports: gated(plan.ports, []) }, fence: fence + 1 });
  }

  /** Publishes a change, programs with it. @throws UserError where they cannot follow; nothing has changed then */
  async publish(change: ConfigChange): Promise<readonly number[]> {
    const { p } = this;
    const before = p.config();
    const table = change.table === undefined ? before.table : change.table;
    const wanted = change.plan ?? before.plan;
    const { list, handOver } = this.programsFor(wanted, change.compiled ?? p.compiled(), table);
    const plan = { ...wanted, ports: handingOver(wanted.ports, handOver) };
    const isOther = wanted.policy !== before.plan.policy;
    const tell = () => {
      this.note(plan, handOver);
      if (isOther) this.warnOf(plan, handOver);
    };
    if (list.length === 0) {
      const pending = await p.advance({ ...change, plan });
      tell();
      return pending;
    }
    this.load(list);
    const fresh = list.filter(({ info }) => info.gate !== undefined);
    const running = list.filter(({ info }) => info.gate === undefined);
    if (plan.order === 'none' || running.length === 0) this.use(list);
    else await this.replace(before.plan, running, fresh);
    tell();
    const fence = p.config().fence + 1;
    const opened = { ...change, plan: { ...plan, ports: gated(plan.ports, []) } };
    if (fresh.length === 0) return p.advance({ ...opened, fence });
    const pending = await p.advance({
      ...change,
      plan: { ...plan, ports: gated(plan.ports, fresh, 'scatter') },
      fence,
    });
    await this.taken(fresh.map(({ info }) => info));
    return [...pending, ...(await p.advance({ plan: opened.plan, fence: fence + 1 }))];
  }

  /** The two steps of the head comment. `fresh` ports get their programs in between. */
  private async replace(
    plan: EnginePlan,
    list: readonly Replacement[],
    fresh: readonly Replacement[],
  ): Promise<void> {
    const { p } = this;
    const step = (gate: Gate) =>
      p.advance({ plan: { ...plan, ports: gated(plan.ports, list, gate) }, fence: p.config().fence + 1 });
    const late = await step('gather');
    if (late.length > 0) {
      for (const { ready } of [...list, ...fresh]) ready?.loaded.close();
      await step(undefined);
      throw new UserError(`worker ${late.join(', ')} does not answer: nothing was changed`);
    }
    for (const { steering } of list) steering.gather();
    await this.until(() => list.every(({ steering }) => isEmptyBehind(steering)), 'queues are not emptied');
    await step('scatter');
    this.use([...list, ...fresh]);
    await this.taken(list.map(({ info }) => info));
  }

  /** The first queues of these ports have given all that it had at the call. */
  private async taken(infos: readonly PortInfo[]): Promise<void> {
    const { queue } = this.p.views.counters;
    const left = new Map<number, () => boolean>();
    for (const { index, firstQueue } of infos) {
      const to = this.p.ports.live.get(index)?.steering?.to;
      if (to === undefined) continue;
      for (const q of queuesOf(to, 'first')) {
        const at = queueBase(firstQueue + q) + QueueCounter.packets;
        const enough = queue[at]! + to.capacity();
        left.set(firstQueue + q, () => !to.waits(q) || queue[at]! >= enough);
      }
    }
    await this.until(() => {
      for (const [q, isTaken] of left) if (isTaken()) left.delete(q);
      return left.size === 0;
    }, 'what was gathered is not taken');
  }

  private async until(done: () => boolean, complaint: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!done() && !this.p.stopping) {
      if (performance.now() > end) {
        this.p.warn(`${complaint} within ${PATIENCE_MS / 1000} s: frames may be late at this change`);
        return;
      }
      await this.p.pause(POLL_MS);
    }
  }
}

/** No queue but the first ones has frames that wait. */
function isEmptyBehind({ to }: QueueSteering): boolean {
  return queuesOf(to, 'others').every((q) => !to.waits(q));
}

/** The ports with those that hand over marked. */
function handingOver(ports: readonly PortInfo[], which: ReadonlyMap<number, string>): readonly PortInfo[] {
  if (which.size === 0 && ports.every(({ handsOver }) => handsOver !== true)) return ports;
  return ports.map(({ handsOver: _, ...info }) =>
    which.has(info.index) ? { ...info, handsOver: true } : info,
  );
}
