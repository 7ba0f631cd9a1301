// VXLAN from one host pair is one flow to a NIC that looks outside, many to one that looks inside.   node examples/tunnels.mjs
import { ethernet, flowFrame, ipv4, parseFlow, steerFrames, udp, vxlan } from 'rxsteer';

const frames = Array.from({ length: 256 }, (_, n) => {
  const inside = flowFrame(parseFlow(`tcp 10.0.0.${n}:40000 > 10.0.1.1:80`, 'flow'));
  return ethernet(
    {},
    ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, udp({ sport: 5000, dport: 4789 }, vxlan(42, inside))),
  );
});
for (const policy of ['rss:queues=4', 'rss:queues=4,inner=vxlan']) {
  console.log(
    policy,
    steerFrames(policy, frames)
      .queues.map(({ packets }) => packets)
      .join(' '),
  );
}
