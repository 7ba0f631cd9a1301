/**
 * Destinations that packets are chosen by: MAC addresses, IP addresses, networks (`--to`).
 *
 * Promise: exact comparison of the outer header's destination, behind any number of VLAN tags; a packet whose header
 * is not there, or cut off before the address, is to nobody. One thread; nothing is allocated per packet.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { type CaptureBatch, LinkType } from '../capture/format.js';
import { UserError } from '../errors.js';
import { ipv4Bytes, ipv6Bytes, macBytes } from '../packet/build-bytes.js';
import { EtherType } from '../packet/protocol.js';
import type { NetworkHeader } from './network-header.js';

const MAC_BYTES = 6;

interface Target {
  /** Ethertype of the header that has the address; 0: the Ethernet header. */
  readonly type: number;
  readonly bytes: Uint8Array;
  /** Bits that count. */
  readonly bits: number;
  /** Offset of the destination in that header. */
  readonly at: number;
}

/** Where the IP versions have their destination. */
const IPV4_AT = 16;
const IPV6_AT = 24;

function parseTarget(text: string): Target {
  const problem = () =>
    new UserError(
      `--to: "${text}" is no MAC address (02:00:00:00:00:01), IP address (192.0.2.1, 2001:db8::1) or network (192.0.2.0/24)`,
    );
  if (/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text))
    return { type: 0, bytes: macBytes(text.replace(/-/g, ':')), bits: 8 * MAC_BYTES, at: 0 };
  const [address = '', prefix, rest] = text.split('/');
  if (rest !== undefined || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) throw problem();
  const is4 = isIPv4(address);
  if (!is4 && (!isIPv6(address) || address.includes('%'))) throw problem();
  const most = is4 ? 32 : 128;
  const bits = prefix === undefined ? most : Number(prefix);
  if (bits > most) throw new UserError(`--to: "${text}": a prefix has 0 to ${most} bits`);
  return is4
    ? { type: EtherType.ipv4, bytes: ipv4Bytes(address), bits, at: IPV4_AT }
    : { type: EtherType.ipv6, bytes: ipv6Bytes(address), bits, at: IPV6_AT };
}

function begins(bytes: Uint8Array, at: number, { bytes: wanted, bits }: Target): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[at + i] !== wanted[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((bytes[at + whole]! ^ wanted[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}

/** A list of destinations: a packet to any of them is meant. */
export class PacketTargets {
  readonly #targets: readonly Target[];
  readonly #byMac: boolean;
  /** Packets without a link-layer destination (raw IP, cooked) that a MAC address was compared with. */
  withoutMac = 0;

  /** @throws UserError for a text that is none of them */
  constructor(texts: readonly string[]) {
    this.#targets = texts.map(parseTarget);
    this.#byMac = this.#targets.some(({ type }) => type === 0);
  }

  /** Whether packet `i`, whose network header is `header`, goes to one of them. */
  has(batch: CaptureBatch, i: number, header: NetworkHeader): boolean {
    const isEthernet = batch.linkType[i] === LinkType.ethernet;
    if (this.#byMac && !isEthernet) this.withoutMac++;
    const end = batch.off[i]! + batch.len[i]!;
    for (const target of this.#targets) {
      const isMac = target.type === 0;
      if (isMac ? !isEthernet : header.type !== target.type) continue;
      const at = isMac ? batch.off[i]! : header.at + target.at;
      if (at + target.bytes.length <= end && begins(batch.bytes, at, target)) return true;
    }
    return false;
  }
}
