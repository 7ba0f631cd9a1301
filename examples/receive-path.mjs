// The receive path of Linux around RPS: queue settings, whose hash counts, where a packet is processed, flow limit.
import * as rx from 'rxsteer';

const frame = rx.flowFrame(rx.parseFlow('udp 10.0.0.1:5000 > 10.0.0.2:53', 'flow'));
const keys = new rx.FlowKeys();
keys.dissect(frame, 0, frame.length);
const kind = Object.keys(rx.AddressKind).find((name) => rx.AddressKind[name] === keys.addresses);
console.log(`flow keys: ${kind}, protocol ${keys.transport === rx.Protocol.udp ? 'udp' : keys.transport}`);
const software = new rx.LinuxFlowHash(rx.randomKey(16, 1)).hashFrame(frame, 0, frame.length);
const queue = new rx.RpsQueue({ map: new rx.RpsMap([1, 2]), online: rx.onlineCpus(4) });
const device = new rx.RpsDevice([queue, new rx.RpsQueue({ online: rx.onlineCpus(4) })]);
for (const [type, recorded] of [
  ['l4', 0],
  ['l3', 0],
  ['l4', 1],
  ['l4', rx.recordedRxQueue(1)],
]) {
  const hash = rx.packetHash(type, 0x80000000, () => software);
  const cpu = device.steer(recorded, hash, new Int32Array(4));
  const { cpu: where, backlog } = rx.receiveOn('netif_receive_skb', cpu, 0);
  console.log(
    `NIC hash ${type}, queue ${recorded}: ${cpu === rx.RPS_NONE ? 'not steered' : 'steered'}, CPU ${where}, backlog ${backlog}`,
  );
}
const limit = new rx.FlowLimit({ buckets: 4096 });
let dropped = 0;
for (let n = 0; n < 400; n++) dropped += limit.refuses(n % 4 === 0 ? n : 77, 900, 1000) ? 1 : 0;
console.log(`flow limit: ${dropped} of 400 dropped, all of the flow that brings three quarters`);
const table = new rx.SockFlowTable(64, 4);
const socket = new rx.RfsSocket(table, true);
socket.received(software);
socket.call(3);
console.log(`the application's CPU: ${table.wanted(software)}`);
