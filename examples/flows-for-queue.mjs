// Connections that all meet on one queue, and connections that share nothing.   node examples/flows-for-queue.mjs
import { FLOW_FIELDS, flowsTo, steerFrames } from 'rxsteer';

const policy = 'rss:nic=ixgbe-82599,queues=16,key=microsoft';
const like = 'tcp 192.0.2.1:40000 > 192.0.2.2:443';
const { flows, matching, candidates, method } = flowsTo(policy, { queue: 5, count: 4, like });
console.log(`${matching} of ${candidates} source ports, by ${method}`);
for (const { flow, hash, bucket } of flows) console.log(`${flow}  ${hash.value}, bucket ${bucket}`);

// One flow for each queue: a test that reaches all of them with 16 connections.
const each = Array.from(
  { length: 16 },
  (_, queue) => flowsTo(policy, { queue, count: 1, like }).flows[0].flow,
);
console.log(
  steerFrames(policy, each)
    .queues.map(({ packets }) => packets)
    .join(' '),
);

// What else may differ, alone or together.
for (const field of FLOW_FIELDS.slice(0, 4)) {
  const { share } = flowsTo(policy, { queue: 5, count: 1, like, vary: [field] });
  console.log(`${field}: ${(100 * share).toFixed(2)} %`);
}
