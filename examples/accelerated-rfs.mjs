// Accelerated RFS: the NIC gets a filter that brings a flow to the queue whose interrupt is near its application.
import * as rx from 'rxsteer';

const rmap = new rx.CpuReverseMap(2, { core: [0, 1, 2, 3], package: [0, 0, 1, 1], node: [0, 0, 1, 1] });
rmap.update(0, [0]); // queue 0 interrupts CPU 0
rmap.update(1, [2]);
const sock = new rx.SockFlowTable(1024, 4);
const queues = [];
const device = {
  queues,
  rmap,
  ntuple: true,
  driver: {
    steer(queue, flow) {
      console.log(`filter: flow ${flow} to queue ${queue}`);
      return 5; // the filter's id
    },
  },
};
for (const q of [0, 1]) {
  queues.push(
    new rx.AcceleratedRpsQueue(device, q, {
      flows: new rx.DevFlowTable(256),
      sock,
      online: rx.onlineCpus(4),
    }),
  );
}
const heads = new Int32Array(4);
const hash = 0x1234567;
console.log(
  `CPU 3 is ${rmap.distance(3) === rx.RMAP_FAR ? 'far from every queue' : `nearest to queue ${rmap.index(3)}`}`,
);
sock.record(hash, 3);
console.log(`steered to CPU ${queues[0].steer(hash, heads)}`);
queues[0].enqueued(1);
const { flows } = queues[1];
const id = flows.slotOf(hash);
const active = () => rx.flowIsActive(flows, id * 4, heads) && flows.slots[id * 4 + rx.FlowSlot.cpu] === 3;
console.log(`active ${active()}, may expire ${rx.mayExpire(flows, id, 5, heads)}`);
heads[3] += rx.staleAfter(flows) + 1;
console.log(
  `${rx.staleAfter(flows)} packets of others later: active ${active()}, may expire ${rx.mayExpire(flows, id, 5, heads)}`,
);
