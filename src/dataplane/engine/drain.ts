/**
 * The way from running to at rest: no worker receives any more, what was received is finished, the loops are told to end.
 *
 * Promise: never waits longer than it says for either step; frames that are in flight even then are told of. Main thread
 * only.
 */
import { ringDrained } from '../memory/ring.js';
import { Global, Phase, WorkerWord } from '../shared/words.js';
import { delay, type EngineCore } from './core.js';

const POLL_MS = 2;

/** @param failed true when the engine cannot go on: then nothing is waited for */
export async function drain(core: EngineCore, timeoutMs: number, failed: () => boolean): Promise<void> {
  const { global, workers, rings, pool } = core.views;
  const until = async (done: () => boolean) => {
    const deadline = performance.now() + timeoutMs;
    while (!done() && !failed() && performance.now() < deadline) {
      core.wakeAll();
      await delay(POLL_MS);
    }
  };
  Atomics.store(global, Global.phase, Phase.drain);
  await until(() =>
    core.hosted.every((w) => Atomics.load(workers[w]!, WorkerWord.phaseSeen) === Phase.drain),
  );
  await until(() => rings.every(ringDrained));
  const left = pool.inFlight();
  if (left > 0) core.warn(`${left} frame(s) were still in flight when the drain was given up`);
  Atomics.store(global, Global.phase, Phase.exit);
  core.wakeAll();
}
