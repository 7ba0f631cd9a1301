// A prediction beside what `ethtool -S` says that the NIC did.   node examples/predicted-and-counted.mjs
import { compareCounted, queueCounters } from 'rxsteer';

const before = `NIC statistics:
     rx_queue_0_packets: 1000
     rx_queue_1_packets: 5000`;
const after = `NIC statistics:
     rx_queue_0_packets: 1400
     rx_queue_1_packets: 5600`;

// The queues of a policy, as `replay` gives them: here the NIC turns out to use two of four.
const predicted = [400, 200, 200, 200].map((packets, id) => ({ id, packets, bytes: 60 * packets, flows: 1 }));
const { queues, elsewhere } = compareCounted({ queues: predicted }, queueCounters([before, after], 'eth0'));
const percent = (part) => `${(100 * part).toFixed(1)} %`;
for (const { id, predictedShare, countedShare } of queues) {
  console.log(`queue ${id}: ${percent(predictedShare)} predicted, ${percent(countedShare)} counted`);
}
console.log(`at least ${percent(elsewhere)} of the packets went elsewhere`);
