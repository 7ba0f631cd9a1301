/**
 * A wire of two workers under order=strict whose flows move all the time, by entries of the indirection table.
 *
 *     node wire-driver.mjs '{"ports": ["a=af_packet:p0", "b=af_packet:p1"], "restMs": 5}'
 *
 * `restMs`: between two changes; 0 = nothing moves. Prints `ready`; at SIGINT it stops and prints the summary with the
 * warnings under `warnings` and the number of turns under `changes`.
 */
import { Engine } from '../../dist/dataplane/engine/engine.js';
import { engineDefaults } from '../../dist/dataplane/engine/plan.js';
import { summarize } from '../../dist/dataplane/engine/summary.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const { ports, restMs, workers = 2 } = JSON.parse(process.argv[2]);
const warnings = [];
const engine = await Engine.start({
  ...engineDefaults,
  ports: ports.map(parsePort),
  policy: parsePolicy('rss', { command: 'forward', workers }),
  policyText: 'rss',
  workers,
  cpus: Array.from({ length: workers }, (_, w) => w % 2),
  warn: (line) => warnings.push(line),
});
let running = true;
process.once('SIGINT', () => {
  running = false;
});
process.stdout.write('ready\n');
let turn = 0;
for (; running; turn++) {
  if (restMs > 0) {
    await engine.setTable(
      Array.from({ length: 128 }, (_, bucket) => ({ bucket, queue: (bucket + turn) % workers })),
    );
  }
  await new Promise((resolve) => setTimeout(resolve, restMs > 0 ? restMs : 20));
}
await engine.stop();
process.stdout.write(JSON.stringify({ ...summarize(engine), warnings, changes: turn }));
