// The automatic rebalancer: when it acts, and on what.   node examples/auto-rebalance.mjs
import { bucketLoads, flowFrame, guestLoads, parseFlow, parseFreeze, Rebalancer, toSteering } from 'rxsteer';

const flows = Array.from({ length: 200 }, (_, n) => ({
  frame: flowFrame(parseFlow(`udp 10.0.0.${n}:${1024 + n} > 10.1.0.1:53`, 'example'), {
    dstMac: `02:00:00:00:00:0${n % 4}`,
  }),
  port: 0,
  queue: 0,
  worker: 0,
  packets: 50,
}));

// All buckets at one worker: uneven for three looks in a row, then it says what to move.
const nothing = parseFreeze('');
const steering = toSteering('rss:queues=2,equal=1', { workers: 2 });
const rebalancer = new Rebalancer({ threshold: 1.2, intervals: 3, moves: 8 });
for (let look = 0; look < 3; look++) {
  const { act, moves, why } = rebalancer.observe(bucketLoads(steering, 2, flows, nothing), false);
  console.log(act, why, moves.map(({ name, to }) => `${name} to ${to}`).join(', '));
}

// Guests of MAC steering; one of them is frozen.
const owners = [0, 1, 2, 3].map((n) => ({ mac: `02:00:00:00:00:0${n}`, vlan: 0, worker: 0, port: 0 }));
const sample = guestLoads(owners, 2, flows, parseFreeze('02:00:00:00:00:00'));
const { moves } = new Rebalancer({ intervals: 1 }).observe(sample, false);
console.log(moves.map(({ name, from, to }) => `${name}: ${from} -> ${to}`).join(', '));
