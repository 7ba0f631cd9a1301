/**
 * A wire whose worker 1 stands still with frames in hand until it is told to go on.
 *
 *     node stuck-driver.mjs '{"ports": ["a=af_packet:p0", "b=af_packet:p1"], "workers": 4}'
 *
 * Prints `ready`, then `stuck` when the worker stands still. At the Nth SIGUSR1 it prints `now N` and the counters; at SIGINT it
 * lets the worker go on, stops and prints the summary.
 */
import { Engine } from '../../dist/dataplane/engine/engine.js';
import { engineDefaults } from '../../dist/dataplane/engine/plan.js';
import { summarize } from '../../dist/dataplane/engine/summary.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { Paused } from '../../dist/dataplane/shared/faults.js';
import { WorkerWord } from '../../dist/dataplane/shared/words.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const { ports, workers } = JSON.parse(process.argv[2]);
const policyText = `rss:queues=${workers}`;
const engine = await Engine.start({
  ...engineDefaults,
  ports: ports.map(parsePort),
  policy: parsePolicy(policyText, { command: 'forward', workers }),
  policyText,
  workers,
  cpus: [],
  fault: 'drain@1:1=',
  warn: () => {},
});
const words = engine.views.workers[1];
const tell = (text) => process.stdout.write(`${text}\n`);
let asked = 0;
process.on('SIGUSR1', () => {
  engine.refreshPortCounters();
  tell(`now ${++asked} ${JSON.stringify(summarize(engine))}`);
});
process.once('SIGINT', async () => {
  clearInterval(look);
  Atomics.store(words, WorkerWord.faulted, Paused.released);
  Atomics.notify(words, WorkerWord.faulted);
  await engine.stop();
  tell(`end ${JSON.stringify(summarize(engine))}`);
});
let told = false;
const look = setInterval(() => {
  if (told || Atomics.load(words, WorkerWord.faulted) !== Paused.waits) return;
  told = true;
  tell('stuck');
}, 5);
tell('ready');
