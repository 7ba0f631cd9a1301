// The control command that a virtio-net driver sends to set RSS, and what a device makes of it.   node examples/virtio-rss-command.mjs
import {
  checkVirtioRss,
  decodeVirtioRss,
  encodeVirtioRss,
  hashTypeList,
  hashTypeMask,
  namedKey,
  toHex,
  VIRTIO_HASH_TYPES,
} from 'rxsteer';

const config = {
  hashTypes: hashTypeMask(['ipv4', 'tcp-ipv4', 'udp-ipv4']),
  unclassifiedQueue: 0,
  table: Array.from({ length: 8 }, (_, i) => i % 4),
  maxTxQueue: 3,
  key: namedKey('microsoft'),
};
const limits = { maxKeyBytes: 40, maxTable: 128, hashTypes: VIRTIO_HASH_TYPES, queues: 4 };
checkVirtioRss(config, limits);
const bytes = encodeVirtioRss(config);
console.log(`${bytes.length} bytes: ${toHex(bytes)}`);
console.log(`hash types ${hashTypeList(decodeVirtioRss(bytes).hashTypes).join(' ')}`);
try {
  checkVirtioRss({ ...config, table: [0, 1, 2] }, limits);
} catch (error) {
  console.log(error.message);
}
