// virtio-net: hash without steering, and the report that comes with each packet.
import * as rx from 'rxsteer';

const command = rx.encodeVirtioHash(rx.VIRTIO_HASH_TYPES, rx.namedKey('microsoft'));
console.log(
  `class ${rx.VIRTIO_CLASS_MQ} command ${rx.VirtioMqCommand.hashConfig}: ${rx.toHex(command).slice(0, 34)}…`,
);
console.log(rx.hashTypeList(rx.decodeVirtioHash(command).hashTypes).join(' '));
const header = new DataView(new ArrayBuffer(rx.VIRTIO_HASH_HEADER));
rx.writeHashReport(header, 0, 0x51ccc178, rx.HashType.tcpIpv4);
console.log(rx.readHashReport(header, 0));
const tunnels = rx.encodeVirtioTunnels(rx.virtioTunnelMask(['vxlan', 'geneve']));
console.log(
  `class ${rx.VIRTIO_CLASS_TUNNEL} command 0: ${rx.toHex(tunnels)} = ${rx.decodeVirtioTunnels(tunnels).join(' ')},`,
  `feature bit ${rx.VirtioFeature.hashTunnel}`,
);
console.log(`RSS contexts: class ${rx.VIRTIO_CLASS_CONTEXT}, commands`, rx.VirtioContextCommand);
