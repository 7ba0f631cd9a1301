/** An engine that warms up, then meets its first frames between two marks on standard error. */
import { Engine } from '#rxsteer/dataplane/engine/engine.js';
import { engineDefaults } from '#rxsteer/dataplane/engine/plan.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { Paused } from '#rxsteer/dataplane/shared/faults.js';
import { WorkerWord } from '#rxsteer/dataplane/shared/words.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

const policyText = 'rss:queues=2';
const engine = await Engine.start({
  ...engineDefaults,
  ports: [parsePort('a=memory:source,packets=20000,flows=500'), parsePort('b=memory:sink')],
  policy: parsePolicy(policyText, { command: 'forward', workers: 2 }),
  policyText,
  workers: 2,
  backlog: 32_768,
  smallFrames: 131_072,
  warmUp: true,
  // The first burst waits until it is told to go on.
  fault: 'receive@0=',
});
const words = engine.views.workers[0];
while (Atomics.load(words, WorkerWord.faulted) !== Paused.waits) await new Promise(setImmediate);
process._rawDebug('@@first frames');
Atomics.store(words, WorkerWord.faulted, Paused.released);
Atomics.notify(words, WorkerWord.faulted);
await engine.drained;
process._rawDebug('@@end');
await engine.stop();
