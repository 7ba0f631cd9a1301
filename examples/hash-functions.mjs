// One IPv4 tuple under every hash function, and what a symmetric transform does to both of its directions.
import * as rx from 'rxsteer';

const [src, dst, ports] = [
  Uint8Array.of(66, 9, 149, 187),
  Uint8Array.of(161, 142, 100, 80),
  Uint8Array.of(0x0a, 0xea, 0x06, 0xe6),
];
const input = rx.tupleInput(src, dst, ports, 'none');
const key = rx.namedKey('microsoft');
console.log(
  `key ${rx.keyNameOf(key)} of ${key.length} bytes covers ${rx.inputBytesOf(key.length)}; needed: ${rx.keyBytesFor(input.length)}`,
);
console.log(
  'toeplitz',
  rx.hex32(new rx.Toeplitz(key, 12).hash(input)),
  rx.hex32(rx.toeplitzBitwise(key, input)),
);
console.log(
  'crc32',
  rx.hex32(rx.crc32(input)),
  'crc32c',
  rx.hex32(rx.crc32c(input)),
  'xor',
  rx.hex32(rx.xorHash(input)),
);
for (const symmetric of rx.SYMMETRIC) {
  const hash = new rx.TupleHash(key, { symmetric });
  const value = (packet) => rx.hex32(hash.ipv4(packet, 0, 4) ^ hash.ipv4Ports(packet, 8));
  const reverse = rx.concatBytes(dst, src, ports.slice(2), ports.slice(0, 2));
  console.log(symmetric, value(input), value(reverse));
}
