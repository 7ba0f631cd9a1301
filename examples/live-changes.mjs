// Changing a running engine: policy, table, workers; nothing restarts, nothing is lost.   node examples/live-changes.mjs
import { parsePolicy, startForwarder, summarize } from 'rxsteer';

const policy = (text) => parsePolicy(text, { command: 'forward' });
const engine = await startForwarder({
  // Room for seconds of traffic: none is lost where a busy machine lets a worker wait.
  smallFrames: 98304,
  backlog: 32768,
  ports: ['in=memory:source,flows=1000,rate=5000', 'out=memory:sink'],
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
console.log(`lost ${totals.received - totals.delivered}, reordered ${totals.reordered}`);
