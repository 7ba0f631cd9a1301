// The life of a flow under RFS: unknown, seen, moved by the scheduler, held until the old CPU has drained.   node examples/rfs-life.mjs
import { DevFlowTable, onlineCpus, RpsMap, RpsQueue, RpsReason, SockFlowTable } from 'rxsteer';

const sock = new SockFlowTable(32768, 4);
const queue = new RpsQueue({
  map: new RpsMap([0, 1, 2, 3]),
  flows: new DevFlowTable(4096),
  sock,
  online: onlineCpus(4),
});
const heads = new Int32Array(4); // packets that each CPU has finished
const tails = new Int32Array(4); // packets that were put on its backlog
const hash = 0x2a2a2a2a;
function packet(what) {
  const cpu = queue.steer(hash, heads);
  queue.enqueued(++tails[cpu]);
  const reason = Object.keys(RpsReason).find((name) => RpsReason[name] === queue.reason);
  console.log(`${what}: CPU ${cpu} (${reason})`);
}
packet('nobody listens yet');
sock.record(hash, 2); // recvmsg on CPU 2
packet('the application runs on CPU 2');
sock.record(hash, 3);
packet('it was moved to CPU 3, CPU 2 has not drained');
heads[2] = tails[2];
packet('CPU 2 has drained');
packet('from then on');
