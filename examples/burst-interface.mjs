// The interface of the forwarder itself: bursts of typed arrays, a compiled policy, no object per packet.
import * as rx from 'rxsteer';

const spec = rx.parsePolicy('rfs:cpus=0-1,entries=1024');
const rfs = rx.compilePolicy(spec, { workers: rx.defaultWorkers(spec) });
const frames = [5000, 5001, 5002].map((port) =>
  rx.flowFrame(rx.parseFlow(`udp [2001:db8::1]:${port} > [2001:db8::2]:53`, 'flow')),
);
const burst = new rx.Burst(rx.concatBytes(...frames));
let at = 0;
for (const frame of frames) {
  burst.add(at, frame.length);
  at += frame.length;
}
rx.dissectBurst(burst);
rfs.steer(burst);
console.log(
  `${spec.policy} of ${rx.POLICY_NAMES.length} policies, ${rx.policyBytes(spec)} shared bytes; CPUs`,
  burst.worker.slice(0, burst.n).join(),
);
if (rfs instanceof rx.RfsSteering) for (let i = 0; i < burst.n; i++) rfs.record(burst, i, 1); // the applications run on CPU 1
rfs.steer(burst);
console.log(
  'after recvmsg on CPU 1:',
  burst.worker.slice(0, burst.n).join(),
  '-',
  rx.explainAt(rfs, burst, 0).reason,
);
const counter = new rx.SpreadCounter(rfs.workers, rfs.queues);
counter.count(burst);
console.log(
  counter
    .spread()
    .workers.map(({ packets }) => packets)
    .join(' '),
  rx.gini([0, 3]),
);
const ip6 = burst.bytes.slice(burst.l3[0] + 8, burst.l3[0] + 24);
console.log(
  rx.formatIpv6(ip6),
  rx.formatIpv4(Uint8Array.of(192, 0, 2, 1)),
  rx.effectiveBits(rx.namedKey('mlx5'), rx.bitRange(...rx.IPV6_FIELDS.src)),
);
