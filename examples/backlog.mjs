// A full backlog: how many IPIs, polls and drops does a burst of 1200 packets to another CPU cost?   node examples/backlog.mjs
import { formatSoftnetStat, Softnet } from 'rxsteer';

const softnet = new Softnet({ cpus: 2 });
let delivered = 0;
softnet.deliver = () => delivered++;
const results = {};
for (let n = 0; n < 1200; n++) {
  const result = softnet.enqueue(0, 1, n);
  results[result] = (results[result] ?? 0) + 1;
}
softnet.flushIpis(0);
let runs = 0;
while (softnet.receiveIpi(1) || softnet.cpus[1].softirq) {
  softnet.netRxAction(1);
  runs++;
}
console.log(results, `${delivered} delivered in ${runs} softirq runs, ${softnet.cpus[0].ipisSent} IPI`);
console.log(formatSoftnetStat(softnet.rows()).trimEnd());
