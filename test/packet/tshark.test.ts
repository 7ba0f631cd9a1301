/** Dissection agrees with tshark, where it is installed, on frames of every shape that both claim to know. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { captureFrames } from '#rxsteer/capture/frames.js';
import {
  arp,
  ethernet,
  fragmentExtension,
  homeAddressExtension,
  icmp,
  icmpv6,
  ipInIp,
  ipv4,
  ipv6,
  routingExtension,
  sctp,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { describeFrame } from '#rxsteer/packet/describe.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

const installed = spawnSync('tshark', ['--version']).status === 0;
const directory = mkdtempSync(join(tmpdir(), `rxsteer-tshark-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const v4 = { src: '192.0.2.1', dst: '198.51.100.2' };
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const ports = { sport: 49152, dport: 40000 };
const options = { type: 0, body: Uint8Array.of(1, 4, 0, 0, 0, 0) };

const frames: Uint8Array[] = [
  ...[[], [5], [5, 6], [{ id: 5, tpid: 0x88a8 }, 6]].flatMap((vlans) =>
    [
      ipv4(v4, tcp(ports, 'x')),
      ipv4(v4, udp(ports, 'x')),
      ipv6(v6, tcp(ports)),
      ipv6(v6, udp(ports, 'x')),
    ].map((packet) => ethernet({ vlans }, packet)),
  ),
  ethernet({}, ipv4({ ...v4, options: new Uint8Array(8).fill(1) }, tcp(ports))),
  ethernet({}, ipv4({ ...v4, dontFragment: true }, udp(ports, 'x'))),
  ethernet({}, ipv4({ ...v4, moreFragments: true, id: 1 }, udp(ports, 16))),
  ethernet({}, ipv4({ ...v4, fragmentOffset: 24, id: 1, protocol: 17 }, 16)),
  ethernet({ padTo: 60 }, ipv4(v4, icmp({ type: 8 }))),
  ethernet({}, ipv4(v4, sctp(ports))),
  ethernet({}, ipv4(v4, ipInIp(ipv4(v6ToV4(), tcp(ports))))),
  ethernet({}, ipv6(v6, icmpv6({ type: 128 }))),
  ethernet({}, ipv6({ ...v6, extensions: [options, homeAddressExtension('2001:db8::3')] }, udp(ports, 'x'))),
  ethernet({}, ipv6({ ...v6, extensions: [routingExtension(2, '2001:db8::4')] }, tcp(ports))),
  ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension(0, true, 9)] }, udp(ports, 16))),
  ethernet({}, ipv6({ ...v6, extensions: [options, fragmentExtension(16, false, 9)] }, udp(ports, 16))),
  ethernet(
    {},
    arp({ operation: 1, senderMac: '02:00:00:00:00:01', senderIp: '192.0.2.1', targetIp: '192.0.2.2' }),
  ),
];

function v6ToV4() {
  return { src: '10.0.0.1', dst: '10.0.0.2' };
}

function pcap(): string {
  const header = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex');
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  const path = join(directory, 'frames.pcap');
  writeFileSync(path, Buffer.concat([header, ...records]));
  return path;
}

const fields = [
  ['eth.type', 'vlan.etype', 'ieee8021ad.id', 'vlan.id'],
  ['ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'frame.protocols'],
  ['ip.flags.mf', 'ip.frag_offset', 'ipv6.fraghdr.nxt'],
  ['tcp.srcport', 'tcp.dstport', 'udp.srcport', 'udp.dstport', 'sctp.srcport', 'sctp.dstport'],
].flat();

/** Fields of every frame of a capture, as tshark has them. */
function sharkRows(path: string): Record<string, string[]>[] {
  const preferences = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE'].flatMap((text) => ['-o', text]);
  const wanted = fields.flatMap((field) => ['-e', field]);
  const output = execFileSync(
    'tshark',
    ['-r', path, ...preferences, '-T', 'fields', '-E', 'separator=;', '-E', 'occurrence=a', ...wanted],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 },
  );
  return output
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const columns = line.split(';');
      return Object.fromEntries(
        fields.map((field, i) => [field, (columns[i] ?? '').split(',').filter(Boolean)]),
      );
    });
}

/** Transport protocols whose ports a NIC may hash. */
const WITH_PORTS = ['tcp', 'udp', 'sctp'];

function compare(frame: Uint8Array, shark: Record<string, string[]>, place: string): void {
  const burst = new Burst(frame);
  burst.add(0, frame.length);
  dissectBurst(burst);
  const { ethertype, vlans, src, dst, sport, dport, fragment } = describeFrame(burst, 0);
  const first = (name: string) => shark[name]![0] ?? null;
  const isIpv4 = ethertype === '0x0800';
  const isIpv6 = ethertype === '0x86dd';
  // The ports of the outer IP header: of the first transport, where no other IP header comes before it.
  const layers = first('frame.protocols')?.split(':') ?? [];
  const transport = layers.findIndex((layer) => WITH_PORTS.includes(layer));
  const own = layers.slice(0, transport).filter((layer) => layer === 'ip' || layer === 'ipv6').length === 1;
  // Tags behind other headers are a tunnel's.
  const isTagged = [0x8100, 0x88a8].includes(Number(first('eth.type')));
  // tshark shows the ports of a first fragment, which a NIC does not use.
  const hidden = transport < 0 || !own || fragment || !(isIpv4 || isIpv6);
  const port = (end: string) => (hidden ? null : toNumber(first(`${layers[transport]}.${end}port`)));
  expect({ place, ethertype: Number(ethertype), vlans, src, dst, sport, dport, fragment }).toEqual({
    place,
    ethertype: Number((isTagged ? shark['vlan.etype']!.at(-1) : undefined) ?? first('eth.type')),
    vlans: isTagged ? [...shark['ieee8021ad.id']!, ...shark['vlan.id']!].map(Number) : [],
    src: isIpv6 ? first('ipv6.src') : isIpv4 ? first('ip.src') : null,
    dst: isIpv6 ? first('ipv6.dst') : isIpv4 ? first('ip.dst') : null,
    sport: port('src'),
    dport: port('dst'),
    fragment:
      (isIpv4 &&
        (/^(1|True)$/.test(first('ip.flags.mf') ?? '') || Number(first('ip.frag_offset') ?? 0) > 0)) ||
      (isIpv6 && first('ipv6.fraghdr.nxt') !== null),
  });
}

it.skipIf(!installed)('addresses, ports, VLANs and fragments are those of tshark', () => {
  const rows = sharkRows(pcap());
  expect(rows).toHaveLength(frames.length);
  for (const [i, frame] of frames.entries()) compare(frame, rows[i]!, `frame ${i}`);
});

const folder = process.env.RXSTEER_CAPTURES;
const captures = folder === undefined ? [] : readdirSync(folder).filter((name) => /\.pcap(ng)?$/.test(name));

it.skipIf(!installed || captures.length === 0)(
  'so they are in the captures of RXSTEER_CAPTURES',
  async () => {
    for (const name of captures) {
      const path = join(folder!, name);
      const rows = sharkRows(path);
      let i = 0;
      for await (const frame of captureFrames(path)) compare(frame, rows[i]!, `${name}, frame ${++i}`);
      expect(rows).toHaveLength(i);
    }
  },
);

function toNumber(text: string | null): number | null {
  return text === null ? null : Number(text);
}
