/** Packets for replays, and what is known of them without the code under test. */
import { SeededRandom } from '#rxsteer/hash/random.js';
import * as build from '#rxsteer/packet/build.js';

/** A packet and the facts that a replay must find out about it. */
export interface Known {
  readonly frame: Uint8Array;
  /** Text of its directed 5-tuple; null for what is not IP. */
  readonly flow: string | null;
  readonly fragment: boolean;
  readonly tagged: boolean;
  /** Bytes that a NIC with all plain types hashes; empty for none. */
  readonly input: Uint8Array;
  readonly type: string;
}

const ipv4Text = (n: number) => `10.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
const ipv6Text = (n: number) => `2001:db8:1::${(n + 1).toString(16)}`;

/** A mix of everything: IPv4, IPv6, TCP, UDP, SCTP, ICMP, fragments, tags, ARP; `flows` is about how many there are. */
export function mixedPackets(count: number, flows: number, seed = 1): Known[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => known(random.below(flows), random));
}

function known(n: number, random: SeededRandom): Known {
  const vlans = [[], [], [], [100], [100, 7]][random.below(5)]!;
  const tagged = vlans.length > 0;
  const dst = `02:00:00:00:01:0${n % 8}`;
  const what = n % 16;
  if (what === 15) {
    const arp = build.arp({ operation: 1, senderMac: dst, senderIp: '10.0.0.1', targetIp: '10.0.0.2' });
    const frame = build.ethernet({ vlans, dst: 'ff:ff:ff:ff:ff:ff', padTo: 60 }, arp);
    return { frame, flow: null, fragment: false, tagged, input: new Uint8Array(0), type: 'none' };
  }
  const [sport, dport] = [1024 + (n % 5000), 80 + (n % 3)];
  const isIpv6 = what >= 10;
  const [src, to] = isIpv6 ? [ipv6Text(n), ipv6Text(n ^ 0x5555)] : [ipv4Text(n), ipv4Text(n ^ 0x5555)];
  const size = random.below(200);
  const kind = what % 5;
  const transport =
    kind <= 1
      ? build.tcp({ sport, dport }, size)
      : kind === 2
        ? build.udp({ sport, dport }, size)
        : kind === 3
          ? build.sctp({ sport, dport }, size)
          : isIpv6
            ? build.icmpv6({ type: 128 }, size)
            : build.icmp({ type: 8 }, size);
  // Every third UDP packet is a fragment.
  const fragment = kind === 2 && random.below(3) === 0;
  const packet = isIpv6
    ? build.ipv6({ src, dst: to, extensions: fragment ? [build.fragmentExtension(0, true)] : [] }, transport)
    : build.ipv4({ src, dst: to, moreFragments: fragment }, transport);
  const protocol = [6, 6, 17, 132, isIpv6 ? 58 : 1][kind]!;
  const hasPorts = kind <= 3 && !fragment;
  const ports = hasPorts ? `${sport} ${dport}` : '0 0';
  const addressBytes = isIpv6
    ? [build.ipv6Bytes(src), build.ipv6Bytes(to)]
    : [build.ipv4Bytes(src), build.ipv4Bytes(to)];
  const hashed = kind <= 2 && !fragment;
  const portBytes = hashed ? [Buffer.of(sport >> 8, sport & 255, dport >> 8, dport & 255)] : [];
  const version = isIpv6 ? 'ipv6' : 'ipv4';
  return {
    frame: build.ethernet({ vlans, dst, padTo: 60 }, packet),
    flow: `${src} ${to} ${protocol} ${ports}`,
    fragment,
    tagged,
    input: Buffer.concat([...addressBytes, ...portBytes]),
    type: hashed ? `${kind <= 1 ? 'tcp' : 'udp'}-${version}` : version,
  };
}

/** Toeplitz, bit by bit (Microsoft's definition): for each set bit of the input the 32 key bits that begin there. */
export function bitwiseToeplitz(key: Uint8Array, input: Uint8Array): number {
  const bit = (bytes: Uint8Array, i: number) => (bytes[i >> 3]! >> (7 - (i & 7))) & 1;
  let result = 0;
  for (let i = 0; i < input.length * 8; i++) {
    if (bit(input, i) === 0) continue;
    let window = 0;
    for (let k = 0; k < 32; k++) window = (window << 1) | bit(key, i + k);
    result ^= window;
  }
  return result >>> 0;
}

/** Microsoft's verification key. */
export const MICROSOFT_KEY = Uint8Array.from(
  Buffer.from('6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa', 'hex'),
);
