/**
 * A wire of two workers whose first port's queue the kernel chooses by the policy, and which changes while worker 1 stands
 * still with frames in its hands.
 *
 *     node program-driver.mjs '{"ports": ["a=af_xdp:p0,steer=on", "b=af_packet:p1"], "standMs": 200, "steps": true}'
 *
 * `steps` false: programs are put in each other's place at once, what `PortPrograms` does under order=none. Prints `ready`,
 * `changed` when the change is over, and the summary at SIGINT, with `warnings`. The standing ends `standMs` after the change
 * has begun: under two steps nothing goes on before, as no queue may be read by the new program's worker.
 */
import { Engine } from '../../dist/dataplane/engine/engine.js';
import { engineDefaults } from '../../dist/dataplane/engine/plan.js';
import { PortPrograms } from '../../dist/dataplane/engine/port-programs.js';
import { summarize } from '../../dist/dataplane/engine/summary.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { Paused } from '../../dist/dataplane/shared/faults.js';
import { WorkerWord } from '../../dist/dataplane/shared/words.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const { ports, standMs, steps } = JSON.parse(process.argv[2]);
const policyOf = (text) => parsePolicy(text, { command: 'forward', workers: 2 });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tell = (text) => process.stdout.write(`${text}\n`);
if (!steps) {
  PortPrograms.prototype.replace = function (_, running, fresh) {
    this.use([...running, ...fresh]);
  };
}
const BEFORE = 'rss:queues=2,table=2';
const warnings = [];
const engine = await Engine.start({
  ...engineDefaults,
  ports: ports.map(parsePort),
  policy: policyOf(BEFORE),
  policyText: BEFORE,
  workers: 2,
  cpus: [0, 1],
  fault: 'steer@1:40=',
  warn: (line) => warnings.push(line),
});
const words = engine.views.workers[1];
process.once('SIGINT', async () => {
  await engine.stop();
  tell(JSON.stringify({ ...summarize(engine), warnings }));
});
tell('ready');
while (Atomics.load(words, WorkerWord.faulted) !== Paused.waits) await pause(1);
const change = engine.setTable([0, 1].map((bucket) => ({ bucket, queue: 1 - bucket })));
await pause(standMs);
Atomics.store(words, WorkerWord.faulted, Paused.released);
Atomics.notify(words, WorkerWord.faulted);
await change;
tell('changed');
