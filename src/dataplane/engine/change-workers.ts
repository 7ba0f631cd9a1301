/**
 * Workers that join and leave a running engine.
 *
 * Promise: ids of running workers are always 0 … n-1, because policies, CPU lists and owners name them so: the next
 * id joins, the highest leaves. Nobody steers to a worker that does not run, and nobody's frames are left in the rings
 * of one that has ended.
 */
import { UserError } from '../../errors.js';
import { WorkerWord } from '../shared/words.js';
import { policyChange } from './change-policy.js';
import type { ChangeReport } from './changes.js';
import { delay, type EngineCore } from './core.js';
import type { Hosting } from './hosting.js';
import { patience } from './patience.js';

const START_TIMEOUT_MS = patience(20_000);
const POLL_MS = 1;

/** See `LiveEngine.addWorker`. */
export function addWorker(core: EngineCore, hosting: Hosting): Promise<ChangeReport> {
  return core.change(async () => {
    const { plan } = core;
    const id = plan.active;
    if (id >= plan.workers) {
      throw new UserError(`worker ${id}: memory was laid out for ${plan.workers} workers (--max-workers)`, {
        code: 'RXS_NO_ROOM',
      });
    }
    const change = policyChange(core, { ...plan, active: id + 1 });
    return core.report('workers', `worker ${id} added`, async () => {
      await join(core, hosting, id);
      // Only then may anybody steer to it, and it to others: their rings must be drained by then, and the transmit
      // queues that it shares be locked.
      try {
        const late = await core.publish({ span: id + 1 });
        if (late.length > 0) {
          throw new UserError(`worker ${late.join(', ')} does not answer: nothing was changed`);
        }
        return await core.publish(change);
      } catch (error) {
        await leave(core, hosting, id);
        await core.publish({ span: id });
        throw error;
      }
    });
  });
}

/** Starts the worker under the configuration as it is: it runs, polls nothing and is sent nothing. */
async function join(core: EngineCore, hosting: Hosting, id: number): Promise<void> {
  hosting.host(id);
  const deadline = performance.now() + START_TIMEOUT_MS;
  try {
    while (!hosting.running(id)) {
      if (performance.now() > deadline)
        throw new Error(`it did not report within ${Math.round(START_TIMEOUT_MS / 1000)} s`);
      await delay(POLL_MS);
    }
  } catch (error) {
    await leave(core, hosting, id);
    throw new UserError(`worker ${id} could not be started: ${(error as Error).message}`);
  }
  core.ever = Math.max(core.ever, id + 1);
}

/** See `LiveEngine.removeWorker`. */
export function removeWorker(core: EngineCore, hosting: Hosting, id: number): Promise<ChangeReport> {
  return core.change(async () => {
    const { plan } = core;
    const last = plan.active - 1;
    if (last === 0) throw new UserError('worker 0 is the only one: it cannot be removed');
    if (id !== last) {
      throw new UserError(`worker ${id}: only the highest one, worker ${last}, can be removed`);
    }
    const change = policyChange(core, { ...plan, active: last });
    return core.report('workers', `worker ${id} removed`, async () => {
      // All have switched: nobody steers to it, what it had is finished, its queues have other pollers.
      const pending = await core.publish(change);
      if (pending.length > 0) return pending;
      await leave(core, hosting, id);
      return core.publish({ span: last });
    });
  });
}

async function leave(core: EngineCore, hosting: Hosting, id: number): Promise<void> {
  Atomics.store(core.views.workers[id]!, WorkerWord.leave, 1);
  core.waker.wake(id);
  await hosting.ended(id, START_TIMEOUT_MS);
}
