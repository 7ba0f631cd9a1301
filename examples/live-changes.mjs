// Changing a running engine: policy, table, workers; nothing restarts, no loss is uncounted.   node examples/live-changes.mjs
import { parsePolicy, startForwarder, summarize } from 'rxsteer';

const policy = (text) => parsePolicy(text, { command: 'forward' });
const engine = await startForwarder({
  ports: ['in=memory:source,flows=1000,rate=20000', 'out=memory:sink'],
  workers: 2,
  maxWorkers: 3,
});
for (const change of [
  () => engine.setTable([{ bucket: 0, queue: 1 }]),
  () => engine.applyPolicy(policy('rps:cpus=0-1')),
  () => engine.addWorker(),
  () => engine.removeWorker(2),
  () => engine.rollback(),
]) {
  const { text, pauses } = await change();
  console.log(`${text} (${pauses.length} workers paused)`);
}
const [decision] = await engine.trace(1);
console.log(`traced: worker ${decision.by} gave a frame to worker ${decision.to}: ${decision.reason}`);
await engine.applyPolicy(policy('rps:cpus=5')).catch((error) => console.log(`refused: ${error.message}`));
await engine.stop();
const { totals } = summarize(engine);
const dropped = Object.values(totals.dropped).reduce((sum, frames) => sum + frames);
// A machine without a free CPU overflows a backlog at times, with or without changes: that loss is counted.
console.log(`lost uncounted ${totals.received - totals.delivered - dropped}, reordered ${totals.reordered}`);
