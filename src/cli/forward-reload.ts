/**
 * SIGHUP of `rxsteer forward --config FILE`: the file is read again, and what changed is applied while it runs.
 *
 * Promise: a file with a mistake changes nothing and is one line. Ports, workers and policy change as through the
 * control socket, without losing or reordering a frame, and what a policy moves is said before it is done. What only a
 * start can change is named. One reload at a time; a signal that comes meanwhile causes another one behind it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ChangeResult, Controller } from '../control/controller.js';
import type { Watcher } from '../control/watcher.js';
import { UserError } from '../errors.js';
import { renderChange } from './ctl-report.js';
import type { ParsedForward } from './forward-options.js';

/** What a reload works on. */
export interface Reloading {
  readonly controller: Controller;
  /** Null without a control socket. */
  readonly watcher: Watcher | null;
  /** Reads flags and file again. @throws UserError */
  readonly read: () => ParsedForward;
  /** Gets one line for people. */
  readonly say: (line: string) => void;
}

/** Options of the engine that a start sets for good, by the names that the file has for them. */
function fixed({
  engine,
  control,
  metrics,
  drop,
  durationMs,
  statsMs,
}: ParsedForward): Record<string, unknown> {
  return {
    mode: engine.mode,
    maxWorkers: engine.maxWorkers,
    cpus: engine.cpus,
    backlog: engine.backlog,
    frames: engine.smallFrames,
    largeFrames: engine.largeFrames,
    spin: engine.spinMaxUs,
    latency: engine.latency,
    warmUp: engine.warmUp,
    'postponeMaxMs, holdMax, holdMaxMs': engine.orderLimits,
    'macAge, macLimit, fdb': engine.switching,
    receiveMemory: engine.receiveMib,
    'control, allowJs, allowApply':
      control === null ? null : [control.path, control.allowJs, control.allowApply],
    'metrics, metricsFile': metrics,
    drop,
    duration: durationMs,
    stats: statsMs,
  };
}

/** Applies configurations to a running forwarder. */
export class Reloader {
  #pending = 0;

  constructor(
    private readonly parts: Reloading,
    private readonly started: ParsedForward,
  ) {}

  /** Never throws. */
  async reload(): Promise<void> {
    this.#pending++;
    if (this.#pending > 1) return;
    while (this.#pending > 0) {
      this.#pending = 1;
      await this.#once();
      this.#pending--;
    }
  }

  async #once(): Promise<void> {
    const { say, read } = this.parts;
    let next: ParsedForward;
    try {
      next = read();
      this.#refuse(next);
    } catch (error) {
      say(`reload: ${(error as Error).message}: nothing was changed`);
      return;
    }
    const [before, after] = [fixed(this.started), fixed(next)];
    const restart = Object.keys(after).filter((key) => !isDeepStrictEqual(before[key], after[key]));
    if (restart.length > 0) say(`reload: a restart is needed for: ${restart.join(', ')}`);
    try {
      const done = await this.#apply(next);
      say(done === 0 ? 'reload: nothing to do' : `reload: done, ${done} change${done === 1 ? '' : 's'}`);
    } catch (error) {
      say(`reload: ${(error as Error).message}: what was said to be done before stays`);
    }
  }

  /** What cannot be done is refused before anything is. @throws UserError */
  #refuse({ engine }: ParsedForward): void {
    const { plan } = this.parts.controller.engine;
    if (engine.workers > plan.workers) {
      throw new UserError(`workers: ${engine.workers}: memory was laid out for ${plan.workers} (maxWorkers)`);
    }
    const { gone, coming } = this.#ports(engine.ports.map(({ text }) => text));
    if (plan.mode === 'wire' && gone.length + coming.length > 0) {
      throw new UserError('ports: a wire joins the two that it has');
    }
  }

  /** Ports that go and come; one that changes does both. */
  #ports(texts: readonly string[]): { gone: string[]; coming: string[] } {
    const there = this.parts.controller.engine.portSpecs();
    return {
      gone: there.filter(({ text }) => !texts.includes(text)).map(({ name }) => name),
      coming: texts.filter((text) => !there.some((port) => port.text === text)),
    };
  }

  async #apply({ engine, control }: ParsedForward): Promise<number> {
    const { controller, watcher, say } = this.parts;
    let done = 0;
    const report = (result: ChangeResult) => {
      for (const line of renderChange(result).split('\n')) if (line !== '') say(`reload: ${line}`);
      if (result.applied) done++;
    };
    const active = () => controller.engine.plan.active;
    // New ports and workers first, since the policy may name them; old ones last, since the old policy may.
    const { gone, coming } = this.#ports(engine.ports.map(({ text }) => text));
    const replaced = coming
      .map((text) => text.slice(0, text.indexOf('=')))
      .filter((name) => gone.includes(name));
    for (const name of replaced) report(await controller.removePort(name));
    for (const text of coming) report(await controller.addPort(text));
    while (active() < engine.workers) report(await controller.worker({ action: 'add' }));
    const { policy } = controller.engine.plan;
    if (!isDeepStrictEqual({ ...policy }, { ...engine.policy }) || controller.policy().changedEntries > 0) {
      report(
        await controller.applySpec(engine.policy, (plan) => say(`reload: plan: ${plan.words.join('; ')}`)),
      );
    }
    while (active() > engine.workers) report(await controller.worker({ action: 'remove', id: active() - 1 }));
    for (const name of gone) if (!replaced.includes(name)) report(await controller.removePort(name));
    if (watcher !== null && control !== null && control.rebalance !== watcher.state().mode) {
      watcher.configure({ mode: control.rebalance });
      say(`reload: rebalance ${control.rebalance}`);
      done++;
    }
    return done;
  }
}
