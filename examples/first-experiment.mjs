// How evenly does an 82599 spread 1000 flows over four queues?   node examples/first-experiment.mjs
import { Burst, compilePolicy, dissectBurst, ethernet, ipv4, parsePolicy, udp } from 'rxsteer';

const steering = compilePolicy(parsePolicy('rss:nic=ixgbe-82599,queues=4,key=microsoft'), { workers: 4 });
const spread = [0, 0, 0, 0];
for (let flow = 0; flow < 1000; flow++) {
  const src = `10.0.${flow >> 8}.${flow & 255}`;
  const frame = ethernet({}, ipv4({ src, dst: '10.1.0.1' }, udp({ sport: 1024 + flow, dport: 53 })));
  const burst = new Burst(frame);
  burst.add(0, frame.length);
  dissectBurst(burst);
  steering.steer(burst);
  spread[burst.rxq[0]] += 1;
  if (flow === 0) console.log(steering.explain(burst, 0));
}
console.log(spread);
