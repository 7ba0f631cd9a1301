// An 82576 with virtual machines: the address picks the pool, RSS the queue inside it.   node examples/pools.mjs
import { explain, flowFrame, parseFlow, toSteering } from 'rxsteer';

const steering = toSteering({
  policy: 'pools',
  nic: 'igb-82576',
  macs: { '52:54:00:00:00:01': 1, '52:54:00:00:00:02': [2] },
  promiscuous: [7],
  defaultPool: 'none',
});
const flow = parseFlow('tcp 192.0.2.1:40000 > 192.0.2.2:443', 'flow');
for (const dstMac of ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:99', 'ff:ff:ff:ff:ff:ff']) {
  const { queue, reason } = explain(steering, flowFrame(flow, { dstMac }));
  console.log(`${dstMac}: queue ${queue}\n  ${reason}`);
}
