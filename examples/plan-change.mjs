// What a change of policy would move, and what it would even out, before it is made.   node examples/plan-change.mjs
import { flowFrame, parseFlow, parseFreeze, parsePolicy, planChange, withEntries } from 'rxsteer';

// 400 flows that a forwarder with two workers has seen; the first ones are the busiest.
const flows = Array.from({ length: 400 }, (_, n) => ({
  frame: flowFrame(parseFlow(`udp 10.0.0.${n % 200}:${1024 + n} > 10.1.0.1:53`, 'example')),
  port: 0,
  queue: 0,
  worker: 0,
  packets: n < 4 ? 900 : 10,
}));
const policy = parsePolicy('rss:queues=2,equal=1');
const running = { policy, workers: 2, flows };
for (const to of ['rss:queues=2', 'rss:queues=2,key=symmetric', 'mac-hash']) {
  const { plan } = planChange(running, parsePolicy(to), { budget: 32 });
  console.log(`${to} (${plan.method})\n  ${plan.words.join('\n  ')}`);
}

// The busiest flow stays where it is; once the target runs, the same plan moves nothing.
const freeze = parseFreeze('udp 10.0.0.0:1024 > 10.1.0.1:53');
const { plan, target } = planChange(running, parsePolicy('rss:queues=2'), { freeze });
console.log(`held ${plan.held}, moved ${plan.flows.moved}`);
console.log(planChange({ ...running, policy: target }, parsePolicy('rss:queues=2'), { freeze }).plan.method);

// A table that was changed by hand is a policy too.
const entries = Array.from({ length: 128 }, (_, bucket) => (bucket < 96 ? 0 : 1));
console.log(planChange(running, withEntries(policy, entries, 2)).plan.buckets.moves.length, 'buckets move');
