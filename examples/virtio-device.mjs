// A virtio-net device does what its driver says: automatic steering, then RSS.   node examples/virtio-device.mjs
import * as rx from 'rxsteer';

function burstOf(text) {
  const frame = rx.flowFrame(rx.parseFlow(text, 'flow'));
  const burst = new rx.Burst(frame);
  burst.add(0, frame.length);
  rx.dissectBurst(burst);
  return burst;
}
const limits = { maxKeyBytes: 40, maxTable: 128, hashTypes: rx.VIRTIO_HASH_TYPES, queues: 4 };
const device = new rx.VirtioDevice(limits);
const request = burstOf('tcp 192.0.2.1:40000 > 192.0.2.2:443');
const reply = burstOf('tcp 192.0.2.2:443 > 192.0.2.1:40000');
const show = (what) => {
  device.receive(reply);
  const report = `report ${rx.HASH_TYPE_NAMES[reply.hashType[0]]} ${rx.hex32(reply.hash[0])}`;
  console.log(`${what}: queue ${reply.rxq[0]}, ${report}`);
};

show('no command yet');
const mq = rx.VIRTIO_CLASS_MQ;
device.control(mq, rx.VirtioMqCommand.vqPairsSet, Uint8Array.of(4, 0));
device.transmit(request, 3);
show('4 pairs, sent on queue 3');
const rss = {
  hashTypes: rx.hashTypeMask(['ipv4', 'tcp-ipv4']),
  unclassifiedQueue: 0,
  table: [0, 1, 2, 1],
  maxTxQueue: 3,
  key: rx.namedKey('microsoft'),
};
device.control(mq, rx.VirtioMqCommand.rssConfig, rx.encodeVirtioRss(rss));
show('RSS');
console.log(device.control(mq, rx.VirtioMqCommand.rssConfig, rx.encodeVirtioRss({ ...rss, table: [0, 9] })));
