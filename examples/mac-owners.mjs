// MAC steering: guests are learned and dealt to the least loaded worker; everything for a guest goes there.   node examples/mac-owners.mjs
import { Experiment, flowFrame, parseFlow } from 'rxsteer';

const guest = (n) => `52:54:00:00:00:0${n}`;
const frame = (srcMac, dstMac, sport) =>
  flowFrame(parseFlow(`tcp 10.0.0.1:${sport} > 10.0.0.2:80`, 'flow'), { srcMac, dstMac });
const ports = [{ name: 'uplink' }, ...[1, 2, 3, 4].map((n) => ({ name: `vm${n}` }))];
const experiment = new Experiment({ policy: 'mac', uplink: ['uplink'] }, { workers: 2, ports });
for (let n = 1; n <= 4; n++) experiment.add(frame(guest(n), 'ff:ff:ff:ff:ff:ff', 1), n);
experiment.flush();
const { owners } = experiment.steering;
console.log(
  `${owners.guests} guests learned; worker 0 owns ${owners.load(0)}, worker 1 owns ${owners.load(1)}`,
);
for (let sport = 0; sport < 400; sport++)
  experiment.add(frame('02:00:00:00:00:99', guest(1 + (sport % 4)), sport), 0);
for (const { id, packets, flows } of experiment.spread().workers)
  console.log(`worker ${id}: ${packets} packets, ${flows} flows`);
