// XPS: which transmit queue does a packet take that is sent on each CPU? And what does a tap learn?   node examples/transmit-queue.mjs
import { pickTxQueue, TunQueues, txHash, XpsMap } from 'rxsteer';

const cpus = new XpsMap(4);
cpus.set(0, [0, 1]);
cpus.set(1, [2]);
const device = { realNumTxQueues: 2, cpus };
for (let cpu = 0; cpu < 4; cpu++) {
  const { queue, reason } = pickTxQueue(device, { hash: 0x9e3779b1, cpu });
  console.log(`sent on CPU ${cpu}: queue ${queue} (${reason})`);
}
console.log(
  'without XPS:',
  txHash(device, { hash: 0x9e3779b1, cpu: 0 }),
  'forwarded from receive queue 1:',
  txHash(device, { hash: 0, cpu: 0, rxQueue: 1 }),
);
const tun = new TunQueues();
for (const queue of ['q0', 'q1', 'q2']) tun.attach(queue);
const show = (what, nowMs) => console.log(`tap, ${what}:`, tun.select(0x12345678, nowMs));
show('nothing learned', 0);
tun.written(0x12345678, 2, 10);
show('the guest answered on queue 2', 20);
show('four seconds later', 4020);
