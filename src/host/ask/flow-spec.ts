/**
 * A flow rule as the kernel gives it (`struct ethtool_rx_flow_spec`), in the words of `ethtool -N`.
 *
 * Promise: a rule comes out with all that it compares, or as null: what the models of NICs cannot compare (TOS, SPI,
 * user-defined bytes, …) is never left out silently. In the structure set bits of a mask are compared, behind `m` they are
 * not. Pure.
 *
 * Source: include/uapi/linux/ethtool.h.
 */
import { toHex } from '../../hash/hex.js';
import { LITTLE } from './netlink.js';

/** Bytes of the structure up to the cookie. */
export const FLOW_SPEC_BYTES = 148;

const HEADER_AT = 4;
const MASK_AT = 76;
/** `struct ethtool_flow_ext` behind the header, and behind its mask. */
const EXT = 52;
const FLOW_EXT = 0x80000000;
const FLOW_MAC_EXT = 0x40000000;
const TYPE_MASK = 0x1fffffff;

/** A field: its word (null: no model compares it), where it lies in the header, how long it is, how it is written. */
type Field = readonly [word: string | null, at: number, bytes: number, text: (bytes: Uint8Array) => string];

const number = (bytes: Uint8Array) => String(bytes.reduce((sum, byte) => 256 * sum + byte, 0));
const dotted = (bytes: Uint8Array) => bytes.join('.');
const colons = (bytes: Uint8Array) => toHex(bytes).match(/..../g)!.join(':');
const mac = (bytes: Uint8Array) => toHex(bytes).match(/../g)!.join(':');

const PORTS_4: readonly Field[] = [
  ['src-ip', 0, 4, dotted],
  ['dst-ip', 4, 4, dotted],
  ['src-port', 8, 2, number],
  ['dst-port', 10, 2, number],
  [null, 12, 1, number],
];
const PORTS_6: readonly Field[] = [
  ['src-ip', 0, 16, colons],
  ['dst-ip', 16, 16, colons],
  ['src-port', 32, 2, number],
  ['dst-port', 34, 2, number],
  [null, 36, 1, number],
];
const TYPES: Readonly<Record<number, readonly [name: string, fields: readonly Field[]]>> = {
  1: ['tcp4', PORTS_4],
  2: ['udp4', PORTS_4],
  3: ['sctp4', PORTS_4],
  5: ['tcp6', PORTS_6],
  6: ['udp6', PORTS_6],
  7: ['sctp6', PORTS_6],
  // The version of IP that stands there too is that of the type.
  13: [
    'ip4',
    [
      ['src-ip', 0, 4, dotted],
      ['dst-ip', 4, 4, dotted],
      [null, 8, 4, number],
      [null, 12, 1, number],
      ['l4proto', 14, 1, number],
    ],
  ],
  14: [
    'ip6',
    [
      ['src-ip', 0, 16, colons],
      ['dst-ip', 16, 16, colons],
      [null, 32, 4, number],
      [null, 36, 1, number],
      ['l4proto', 37, 1, number],
    ],
  ],
  18: [
    'ether',
    [
      ['dst', 0, 6, mac],
      ['src', 6, 6, mac],
      ['proto', 12, 2, number],
    ],
  ],
};
const EXTENSION: readonly Field[] = [
  [null, EXT + 8, 2, number],
  ['vlan', EXT + 10, 2, number],
  [null, EXT + 12, 8, number],
];
const EXTENSION_MAC: Field = [null, EXT + 2, 6, mac];

/**
 * `flow-type ether dst 52:54:00:00:00:01`, without what the rule does; null where it compares what no model does.
 * @param spec the structure, `FLOW_SPEC_BYTES` of it at least
 */
export function flowSpecWords(spec: Uint8Array): string | null {
  const flags = new DataView(spec.buffer, spec.byteOffset, 4).getUint32(0, LITTLE);
  const type = TYPES[flags & TYPE_MASK];
  if (type === undefined || spec.length < FLOW_SPEC_BYTES) return null;
  const fields = [
    ...type[1],
    ...((flags & FLOW_EXT) === 0 ? [] : EXTENSION),
    ...((flags & FLOW_MAC_EXT) === 0 ? [] : [EXTENSION_MAC]),
  ];
  const words = ['flow-type', type[0]];
  for (const [word, at, bytes, text] of fields) {
    const mask = spec.subarray(MASK_AT + at, MASK_AT + at + bytes);
    if (mask.every((byte) => byte === 0)) continue;
    if (word === null) return null;
    words.push(word, text(spec.subarray(HEADER_AT + at, HEADER_AT + at + bytes)));
    if (!mask.every((byte) => byte === 0xff)) words.push('m', text(mask.map((byte) => ~byte & 0xff)));
  }
  return words.join(' ');
}
