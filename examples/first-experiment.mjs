// How evenly do a NIC, the kernel, and a policy of one's own spread 1000 flows?   node examples/first-experiment.mjs
import { ethernet, ipv4, steerFrames, udp } from 'rxsteer';

function* frames() {
  for (let n = 0; n < 1000; n++)
    yield ethernet(
      {},
      ipv4({ src: `10.0.${n >> 8}.${n & 255}`, dst: '10.1.0.1' }, udp({ sport: 1024 + n, dport: 53 })),
    );
}
const mine = ({ workers }) => ({
  steer: ({ n, view, l4, worker }) => {
    for (let i = 0; i < n; i++) worker[i] = (view.getUint16(l4[i]) >> 3) % workers;
  },
});
for (const policy of ['rss:nic=ixgbe-82599,key=microsoft', 'rps:cpus=0-3', mine]) {
  const { workers, gini } = steerFrames(policy, frames(), { workers: 4 });
  console.log(
    workers.map(({ packets }) => packets),
    gini.toFixed(3),
    policy,
  );
}
