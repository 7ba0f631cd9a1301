/**
 * What a kind's `attach` module gives: receivers and senders of its ports, in a worker.
 *
 * Promise: objects belong to the worker that asked for them; nothing of them outlives `close` but what lies in the
 * port's shared memory. Called at a burst boundary, also while other workers use the port. Worker threads only.
 */
import type { Native } from '../../addon/native.js';
import type { Burst } from '../../packet/burst.js';
import { ownModule } from '../../thread-modules.js';
import type { ThreadClock } from '../memory/clock.js';
import type { FramePool } from '../memory/pool.js';
import type { EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import type { ReceiveArrays, Receiver, Sender } from './port.js';
import type { PracticePorts } from './practice.js';

/** What a worker attaches to ports with. */
export interface AttachParts {
  /** Replaced by live changes. */
  plan: EnginePlan;
  readonly views: EngineViews;
  readonly pool: FramePool;
  readonly native: Native | null;
  readonly clock: ThreadClock;
  readonly worker: number;
  readonly burst: Burst;
  readonly status: Int32Array;
  readonly attachers: Attachers;
}

export interface PortAttacher<Data = unknown> {
  /** This worker's receiver of a queue, which it alone polls now; null where there is nothing to receive from. */
  receiver(parts: AttachParts, port: PortInfo<Data>, queue: number, arrays: ReceiveArrays): Receiver | null;
  /** This worker's sender; null where the port is down: frames to it are dropped as `portDown`. */
  sender(parts: AttachParts, port: PortInfo<Data>): Sender | null;
  /** What stands for its ports in a worker's warm-up; absent: nothing does. */
  readonly practice?: PracticePorts<Data>;
}

/** By name of the kind. */
export type Attachers = ReadonlyMap<string, PortAttacher>;

/** Loads the modules that the plan names. */
export async function loadAttachers({ attachers }: Pick<EnginePlan, 'attachers'>): Promise<Attachers> {
  const modules = Object.entries(attachers).map(async ([kind, url]) => {
    const { attacher } = (await import(ownModule(url))) as { readonly attacher: PortAttacher };
    return [kind, attacher] as const;
  });
  return new Map(await Promise.all(modules));
}
