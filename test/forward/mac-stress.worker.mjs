// One thread of the MAC table's stress test: learns, moves and looks up at random, and reports what contradicts
// the rules that mac-stress.test.ts states.
import { parentPort, workerData } from 'node:worker_threads';
import { Learned, MacTable } from '#rxsteer/forward/mac-table.js';

const { memory, user, operations, stations, movers, fixed, ports, go } = workerData;
const table = new MacTable(memory, user);
const results = [0, 0, 0, 0, 0, 0];
const problems = [];
let random = (user + 1) * 0x9e3779b1;
const next = () => {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return random >>> 0;
};

parentPort.postMessage('here');
Atomics.wait(new Int32Array(go), 0, 0);
let hits = 0;
for (let i = 0; i < operations; i++) {
  const s = next() % stations;
  const now = (i / (operations / 20)) | 0;
  if (next() % 2 === 0) {
    // A mover is learned at any port, the others only at their own.
    const port = s < movers ? next() % ports : s % ports;
    const result = table.learn(0, 0x0200, s, port, now);
    results[result]++;
    if (result === Learned.learned && table.foundPort !== port)
      problems.push(`learned ${s} at ${table.foundPort}`);
  } else {
    const port = table.lookup(0, 0x0200, s, now);
    if (port >= 0) hits++;
    if (s >= movers && port >= 0 && port !== s % ports) problems.push(`station ${s} at port ${port}`);
    if (port >= ports) problems.push(`station ${s} at no port ${port}`);
  }
  // Never written by anyone, among slots that come and go: must be found every time.
  const f = next() % fixed;
  if (table.lookup(1, 0x0200, f, now) !== f % ports) problems.push(`static ${f} lost`);
}
parentPort.postMessage({ results, hits, problems: problems.slice(0, 5) });
parentPort.close();
