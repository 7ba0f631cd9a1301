// Which queue of this very NIC? From `ethtool -x eth0; ethtool -n eth0 rx-flow-hash udp4; ethtool -n eth0 rx-flow-hash tcp4`.
//   node examples/ethtool-file.mjs [FILE]
import { readFileSync } from 'node:fs';
import { explain, parseEthtool, parsePolicy } from 'rxsteer';

const file = process.argv[2] ?? new URL('data/eth0.ethtool.txt', import.meta.url).pathname;
console.log('ports hashed:', parseEthtool(readFileSync(file, 'utf8'), file).ports);
const policy = parsePolicy({ policy: 'rss', ethtool: file });
console.log(`${policy.entries.length} entries, ${policy.queues} queues, types ${policy.types.join(' ')}`);
for (const flow of ['tcp 192.0.2.1:40000 > 192.0.2.2:443', 'udp 192.0.2.1:40000 > 192.0.2.2:443']) {
  const { queue, reason } = explain(policy, flow);
  console.log(`${flow}: queue ${queue}\n  ${reason}`);
}
