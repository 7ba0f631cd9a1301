/**
 * A forwarder that is changed all the time, in whatever way a seed says: policies, tables, owners, workers, ports.
 *
 *     node live-driver.mjs '{"ports": ["a=af_packet:p0"], "extra": "x=tap:x0", "workers": 2, "maxWorkers": 4, "seed": 1}'
 *
 * Prints `ready`; at SIGINT it stops and prints {"summary", "changes", "refused"}: how many changes of each kind were
 * made, and the texts of those that were refused. Anything else that fails ends it with an exit code.
 */
import { Engine } from '../../dist/dataplane/engine.js';
import { engineDefaults } from '../../dist/dataplane/plan.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { summarize } from '../../dist/dataplane/summary.js';
import { UserError } from '../../dist/errors.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const { ports, extra, workers, maxWorkers, seed } = JSON.parse(process.argv[2]);
let state = seed;
/** A number from 0 to n - 1. */
const pick = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const policy = (text) => parsePolicy(text, { command: 'forward', workers: engine.plan.active });

const engine = await Engine.start({
  ...engineDefaults,
  ports: ports.map(parsePort),
  mode: 'switch',
  policy: parsePolicy('rss', { command: 'forward', workers }),
  policyText: 'rss',
  workers,
  maxWorkers,
});
let running = true;
process.once('SIGINT', () => {
  running = false;
});
process.stdout.write('ready\n');

const moves = [
  () => engine.applyPolicy(policy(`rss:key=random,seed=${pick(100)}`)),
  () => engine.applyPolicy(policy('rss')),
  () => engine.applyPolicy(policy(`rps:cpus=0-${pick(engine.plan.active)}`)),
  () => engine.applyPolicy(policy('mac')),
  () => engine.applyPolicy(policy('mac-hash')),
  () =>
    engine.setTable(
      Array.from({ length: 16 }, () => ({ bucket: pick(128), queue: pick(engine.plan.active) })),
    ),
  () => engine.setTable([{ bucket: pick(128), queue: pick(engine.plan.active) }]),
  () => engine.setOwner(`02:00:00:00:00:0${1 + pick(8)}`, null, pick(engine.plan.active)),
  () => engine.addWorker(),
  () => engine.removeWorker(engine.plan.active - 1),
  () => engine.addPort(parsePort(extra)),
  () => engine.removePort(extra.split('=')[0]),
  () => engine.rollback(),
];
const changes = {};
const refused = [];
while (running) {
  try {
    const report = await moves[pick(moves.length)]();
    if (report.pending.length > 0) throw new Error(`${report.text}: pending ${report.pending}`);
    changes[report.kind] = (changes[report.kind] ?? 0) + 1;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refused.push(error.message);
  }
  await new Promise((resolve) => setTimeout(resolve, pick(20)));
}
await engine.stop();
const summary = summarize(engine);
process.stdout.write(`${JSON.stringify({ summary, changes, refused })}\n`);
