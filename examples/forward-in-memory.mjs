// The whole engine without privileges: a generator, two workers, a sink.   node examples/forward-in-memory.mjs
import {
  DROP_REASONS,
  Engine,
  engineDefaults,
  loadNative,
  nativeProblem,
  parsePolicy,
  parsePort,
  summarize,
} from 'rxsteer';

const engine = await Engine.start({
  ...engineDefaults,
  ports: [parsePort('in=memory:source,flows=64,packets=200000'), parsePort('out=memory:sink')],
  policy: parsePolicy('rss', { command: 'forward' }),
  policyText: 'rss',
  workers: 2,
});
await engine.drained;
await engine.stop();
const { totals, workers } = summarize(engine);
console.log(
  `${totals.received} received, ${totals.delivered} delivered, ${totals.dropped.backlog} dropped (backlog full)`,
);
for (const { id, processed, handedOff } of workers) {
  console.log(`worker ${id}: ${processed} processed, ${handedOff} handed off`);
}
console.log(DROP_REASONS.map((reason) => `${reason} ${totals.dropped[reason]}`).join(', '));
console.log(loadNative() === null ? `no live ports: ${nativeProblem()}` : 'live ports work here too');
