/** The counts of a replay against tshark's, where it is installed. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { replay } from '#rxsteer/replay/replay.js';
import * as files from '../capture/files.js';
import { mixedPackets } from './traffic.js';

const file = files.temporaryFiles();
const FIELDS = [
  'frame.len',
  'frame.cap_len',
  'vlan.id',
  'ip.src',
  'ip.dst',
  'ip.proto',
  'ip.flags.mf',
  'ip.frag_offset',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.nxt',
  'ipv6.fraghdr.nxt',
  ...['tcp', 'udp', 'sctp'].flatMap((name) => [`${name}.srcport`, `${name}.dstport`]),
];

/** What tshark says about a capture whose packets have no tunnels and no extension headers but fragments. */
function tshark(path: string) {
  const fields = FIELDS.flatMap((field) => ['-e', field]);
  const whole = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE'].flatMap((option) => ['-o', option]);
  const form = ['-T', 'fields', '-E', 'separator=|', '-E', 'occurrence=f'];
  const { stdout } = spawnSync('tshark', ['-n', '-r', path, ...whole, ...form, ...fields], {
    encoding: 'utf8',
  });
  const counts = { packets: 0, bytes: 0, truncated: 0, notIp: 0, fragments: 0, vlanTagged: 0 };
  const flows = new Set<string>();
  for (const line of stdout.trimEnd().split('\n')) {
    const cells = line.split('|');
    const of = (name: string) => cells[FIELDS.indexOf(name)]!;
    counts.packets++;
    counts.bytes += Number(of('frame.len'));
    if (Number(of('frame.cap_len')) < Number(of('frame.len'))) counts.truncated++;
    if (of('vlan.id') !== '') counts.vlanTagged++;
    const isIpv6 = of('ipv6.src') !== '';
    const [src, dst] = isIpv6 ? [of('ipv6.src'), of('ipv6.dst')] : [of('ip.src'), of('ip.dst')];
    if (src === '') {
      counts.notIp++;
      continue;
    }
    const inFragment = of('ipv6.fraghdr.nxt');
    const more = of('ip.flags.mf');
    const isFragment =
      inFragment !== '' || more === '1' || more === 'True' || Number(of('ip.frag_offset')) > 0;
    if (isFragment) counts.fragments++;
    const protocol = Number(inFragment || (isIpv6 ? of('ipv6.nxt') : of('ip.proto')));
    const name = { 6: 'tcp', 17: 'udp', 132: 'sctp' }[protocol];
    const hasPorts = name !== undefined && !isFragment;
    flows.add(
      [src, dst, protocol, ...(hasPorts ? [of(`${name}.srcport`), of(`${name}.dstport`)] : [])].join(' '),
    );
  }
  return { ...counts, flows: flows.size };
}

const isThere = spawnSync('tshark', ['--version']).error === undefined;

describe.skipIf(!isThere)('replay and tshark', () => {
  it('agree about packets, bytes, flows, fragments and VLANs', async () => {
    // 76 bytes hold two tags, IPv6 and all of SCTP's header, without which tshark shows no ports.
    const packets = mixedPackets(3000, 700, 5);
    const records = packets.map(({ frame }, i) =>
      i % 10 === 0 ? { data: frame.subarray(0, 76), original: frame.length } : { data: frame },
    );
    const path = file('mixed.pcap', files.pcap(records));
    const { capture } = await replay([path], ['rss']);
    expect(capture).toMatchObject(tshark(path));
    expect(capture.fragments).toBeGreaterThan(100);
    expect(capture.truncated).toBeGreaterThan(100);
  });
});
