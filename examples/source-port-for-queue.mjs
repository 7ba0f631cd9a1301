// Source ports that bring a connection to the wanted queue, by linear algebra.   node examples/source-port-for-queue.mjs [QUEUE]
import { bitRange, compilePolicy, explain, IPV4_FIELDS, inputsForHash, parseHex, parsePolicy } from 'rxsteer';

const wanted = Number(process.argv[2] ?? 5);
const steering = compilePolicy(parsePolicy('rss:nic=ixgbe-82599,queues=16,key=microsoft'));
const { hash } = explain(steering, 'tcp 192.0.2.1:40000 > 192.0.2.2:443');
const [input, key] = [parseHex(hash.input, 'input'), parseHex(hash.key, 'key')];
const bits = bitRange(...IPV4_FIELDS.sport);
// Any bucket of that queue will do: the first one here. Its number is the hash's low 7 bits.
const bucket = steering.table.entries.indexOf(wanted);
for (const found of inputsForHash(key, input, bits, bucket, 7, 4)) {
  const port = (found[8] << 8) | found[9];
  const { queue, reason } = explain(steering, `tcp 192.0.2.1:${port} > 192.0.2.2:443`);
  console.log(`port ${port}: queue ${queue} (${reason})`);
}
