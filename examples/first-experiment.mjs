// How evenly do a NIC, the kernel, and a policy of one's own spread 1000 flows?
import { steerFrames } from 'rxsteer';

const flows = Array.from({ length: 1000 }, (_, n) => `tcp 10.0.0.${n % 256}:${1024 + n} > 10.1.0.1:80`);
const bySourcePort = ({ workers }) => ({
  steer({ n, view, l4, worker }) {
    for (let i = 0; i < n; i++) worker[i] = view.getUint16(l4[i]) % workers;
  },
});
for (const policy of ['rss:nic=ixgbe-82599,key=microsoft', 'rps:cpus=0-3', bySourcePort]) {
  const { workers, gini } = steerFrames(policy, flows, { workers: 4 });
  console.log(policy.name ?? policy, ...workers.map(({ packets }) => packets), `gini ${gini.toFixed(3)}`);
}
