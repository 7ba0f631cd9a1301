// Where does a flow go, and why? A NIC, the kernel, and the same NIC with another key.   node examples/explain-flow.mjs
import { explain, FLOW_PROTOCOLS } from 'rxsteer';

const flow = 'tcp 66.9.149.187:2794 > 161.142.100.80:1766';
for (const policy of [
  'rss:nic=ixgbe-82599,queues=16,key=microsoft',
  'rss:nic=ixgbe-82599,queues=16,key=symmetric',
  'rss:nic=mlx5,queues=16,seed=7',
  'rps:cpus=0-3',
]) {
  const { hash, bucket, queue, worker, reason } = explain(policy, flow);
  console.log(policy);
  console.log(`  ${hash.function} ${hash.value}, bucket ${bucket}, queue ${queue}, worker ${worker}`);
  console.log(`  ${reason}`);
}
// Not only TCP; tuples without ports are hashed by their addresses.
for (const protocol of FLOW_PROTOCOLS) {
  const hasPorts = protocol !== 'icmp' && protocol !== 'ip';
  const { hash } = explain(
    'rss:queues=4',
    `${protocol} 192.0.2.1${hasPorts ? ':1' : ''} > 192.0.2.2${hasPorts ? ':2' : ''}`,
  );
  console.log(`${protocol}: ${hash.type}`);
}
