/**
 * Ports whose receive queue the kernel chooses by the running policy: their programs, and how they change.
 *
 * Promise: whatever changes what the policy decides (the policy, its table, owners, workers) changes these programs with it;
 * what has no program, or what the kernel refuses, is refused before anything has happened. Under `order=strict` no frame
 * of a flow overtakes another while a program is replaced, although the flow's frames lie in two queues then:
 *
 *   gather    nobody polls queue 0, and a program puts every frame there; the others' pollers take what they have left,
 *             until they are empty and all of it is finished
 *   scatter   only queue 0 is polled, and the new program chooses; until what was gathered is taken and finished
 *
 * then all queues are polled again. Frames wait in the kernel meanwhile, some milliseconds in all; a queue that has no room
 * for so many drops and counts them. A port that comes begins with `scatter`: it was opened with all in queue 0.
 *
 * Main thread only.
 */
import type { LoadedProgram } from '../../addon/bpf.js';
import type { Program } from '../../bpf/assembler.js';
import { UserError } from '../../errors.js';
import type { Steering } from '../../policy/steering.js';
import { isProgram } from '../../programs/policy-program.js';
import { queueProgram } from '../../programs/queue-program.js';
import type { OpenPorts } from '../ports/open.js';
import type { QueueSteering } from '../ports/queue-steering.js';
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
  loaded: LoadedProgram | null;
}

type Gate = PortInfo['gate'];

/** The ports with this gate at those of the list, and none elsewhere. */
function gated(ports: readonly PortInfo[], at: readonly Replacement[], gate?: Gate): PortInfo[] {
  return ports.map(({ gate: _, ...info }) =>
    gate !== undefined && at.some((one) => one.info.index === info.index) ? { ...info, gate } : info,
  );
}

export class PortPrograms {
  constructor(private readonly p: ProgramParts) {}

  /** The ports of a plan whose program is another one under this policy. @throws UserError where it has none */
  private replacements(plan: EnginePlan, compiled: Steering, table: readonly number[] | null): Replacement[] {
    const entries = compiled.spec.policy === 'rss' ? table : null;
    return plan.ports.flatMap((info) => {
      if (info.programmed !== true || info.removed) return [];
      const steering = this.p.ports.live.get(info.index)?.steering;
      if (steering === null || steering === undefined) return [];
      const { queues, start } = steering.to;
      const program = queueProgram(compiled, { name: info.name, queues, start }, entries);
      if (!isProgram(program)) {
        throw new UserError(
          `port ${info.name}: the kernel cannot choose its queue by policy ${compiled.spec.text}: ${program.why}`,
          { code: 'RXS_INEXPRESSIBLE' },
        );
      }
      return steering.has(program) ? [] : [{ info, steering, program, loaded: null }];
    });
  }

  /** Loads all or none. @throws UserError */
  private load(list: readonly Replacement[]): void {
    for (const one of list) {
      try {
        one.loaded = one.steering.load(one.program);
      } catch (error) {
        for (const { loaded } of list) loaded?.close();
        throw new UserError(`port ${one.info.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
      }
    }
  }

  private use(list: readonly Replacement[]): void {
    for (const { steering, program, loaded } of list) steering.use(program, loaded!);
  }

  /** Before any worker runs: the ports get their programs. @throws UserError */
  begin(plan: EnginePlan): void {
    const list = this.replacements(plan, this.p.compiled(), null);
    this.load(list);
    this.use(list);
  }

  /** When all workers run: ends the `scatter` that ports begin with. */
  async open(): Promise<void> {
    const { plan, fence } = this.p.config();
    const waiting = plan.ports.filter(({ gate }) => gate !== undefined);
    if (waiting.length === 0) return;
    await this.taken(waiting);
    await this.p.advance({ plan: { ...plan, ports: gated(plan.ports, []) }, fence: fence + 1 });
  }

  /** Ports whose program is the one that they were opened with: under `stage=nic` nobody else decides. */
  private warnOfKept({ ports, policy }: EnginePlan): void {
    if (policy.stage !== 'nic') return;
    for (const { name, removed, steered = 0 } of ports) {
      if (removed || steered === 0) continue;
      this.p.warn(
        `port ${name}: its XDP program goes on with the policy that it was opened with, and stage=nic keeps its choice: ctl port remove and add give it the new one`,
      );
    }
  }

  /** Publishes a change, programs with it. @throws UserError where they cannot follow; nothing has changed then */
  async publish(change: ConfigChange): Promise<readonly number[]> {
    const { p } = this;
    const before = p.config();
    const plan = change.plan ?? before.plan;
    const table = change.table === undefined ? before.table : change.table;
    const list = this.replacements(plan, change.compiled ?? p.compiled(), table);
    if (plan.policy !== before.plan.policy || table !== before.table) this.warnOfKept(plan);
    if (list.length === 0) return p.advance(change);
    this.load(list);
    const fresh = list.filter(({ info }) => info.gate !== undefined);
    const running = list.filter(({ info }) => info.gate === undefined);
    if (plan.order === 'none' || running.length === 0) this.use(list);
    else await this.replace(before.plan, running, fresh);
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
      for (const { loaded } of [...list, ...fresh]) loaded?.close();
      await step(undefined);
      throw new UserError(`worker ${late.join(', ')} does not answer: nothing was changed`);
    }
    for (const { steering } of list) steering.gather();
    await this.until(() => list.every(({ steering }) => isEmptyBehind(steering)), 'queues are not emptied');
    await step('scatter');
    this.use([...list, ...fresh]);
    await this.taken(list.map(({ info }) => info));
  }

  /** Queue 0 of these ports has given all that it had at the call. */
  private async taken(infos: readonly PortInfo[]): Promise<void> {
    const { queue } = this.p.views.counters;
    const left = new Map(
      infos.flatMap(({ index, firstQueue }) => {
        const steering = this.p.ports.live.get(index)?.steering;
        if (steering === null || steering === undefined) return [];
        const at = queueBase(firstQueue) + QueueCounter.packets;
        const enough = queue[at]! + steering.to.capacity();
        return [[index, () => !steering.to.waits(0) || queue[at]! >= enough] as const];
      }),
    );
    await this.until(() => {
      for (const [index, isTaken] of left) if (isTaken()) left.delete(index);
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

/** No queue but the first has frames that wait. */
function isEmptyBehind({ to }: QueueSteering): boolean {
  for (let q = 1; q < to.queues; q++) if (to.waits(q)) return false;
  return true;
}
