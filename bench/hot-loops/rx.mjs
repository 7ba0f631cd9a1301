// One process of run.mjs: node rx.mjs FOLDER prints the CPU time that the rx stage in FOLDER/dist takes for a frame:
// the best of many short windows, since nothing but the machine makes one slower than another.
const WINDOWS = 60;
const CALLS = 1000;
const BURST = 64;

const { rxCall } = await import(`${process.argv[2]}dist/bench/lab/rx-kit.js`);
const call = rxCall('rss:queues=4', 4);
for (let i = 0; i < 20_000; i++) call();
const times = [];
for (let w = 0; w < WINDOWS; w++) {
  const before = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) call();
  const { user, system } = process.cpuUsage(before);
  times.push(((user + system) * 1000) / (CALLS * BURST));
}
console.log(Math.min(...times));
