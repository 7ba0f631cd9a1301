/** Which packets of a capture count: directions that files state, destinations, filters, super-frames. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { BpfProgram } from '#rxsteer/packet/bpf.js';
import * as build from '#rxsteer/packet/build.js';
import { replay } from '#rxsteer/replay/replay.js';
import * as files from '../capture/files.js';
import { mixedPackets } from './traffic.js';

const file = files.temporaryFiles();

const tcp = (src: string, dst: string, size = 10) =>
  build.ipv4({ src, dst }, build.tcp({ sport: 1000, dport: 80 }, size));
const ours = tcp('192.0.2.1', '198.51.100.9').bytes;
const theirs = tcp('198.51.100.9', '192.0.2.1').bytes;

/** A packet of Linux's cooked captures: types 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 sent. */
const cooked = (type: number, packet: Uint8Array) =>
  Buffer.concat([
    files.bytesOf(false, [2, type], [2, 1], [2, 6], [4, 0x02000000], [2, 7], [2, 0], [2, 0x0800]),
    packet,
  ]);
const cooked2 = (type: number, packet: Uint8Array) =>
  Buffer.concat([
    files.bytesOf(
      false,
      [2, 0x0800],
      [2, 0],
      [4, 3],
      [2, 1],
      [1, type],
      [1, 6],
      [4, 0x02000000],
      [4, 7 << 16],
    ),
    packet,
  ]);
const flags = (little: boolean, word: number) => files.option(little, 2, files.bytesOf(little, [4, word]));
const frame = (packet: Uint8Array) => build.ethernet({}, { ethertype: 0x0800, bytes: packet });

function pcapng(little: boolean, words: readonly (number | null)[]): Buffer {
  const comment = files.option(little, 1, Buffer.from('an odd one'));
  return Buffer.concat([
    files.section(little),
    files.netInterface(little),
    ...words.map((word, i) =>
      files.enhanced(little, 0, [0, i], frame((word ?? 0) % 4 === 2 ? ours : theirs), {
        options:
          word === null ? [] : ([comment, flags(little, word), files.bytesOf(little, [4, 0])] as Buffer[]),
      }),
    ),
  ]);
}

const records = (list: readonly Uint8Array[]) => list.map((data, i) => ({ data, seconds: 1, fraction: i }));
const types = [0, 4, 1, 4, 2, 3, 4, 0];
const stated: [string, Buffer, number, number][] = [
  [
    'a cooked capture',
    files.pcap(records(types.map((type) => cooked(type, type === 4 ? ours : theirs))), { linkType: 113 }),
    5,
    3,
  ],
  [
    'a cooked capture, version 2',
    files.pcap(records(types.map((type) => cooked2(type, type === 4 ? ours : theirs))), { linkType: 276 }),
    5,
    3,
  ],
  ['pcapng, little-endian', pcapng(true, [1, 2, 0x105, 2, null, 0, 2]), 2, 3],
  ['pcapng, big-endian', pcapng(false, [1, 2, 0x105, 2, null, 0, 2]), 2, 3],
];

describe.each(stated)('directions that %s states', (name, bytes, incoming, outgoing) => {
  const path = file(`${name.replace(/\W+/g, '-')}.pcap`, bytes);
  const all = name.startsWith('pcapng') ? 7 : 8;

  it('make received packets count, and say what is left out', async () => {
    const { capture, policies } = await replay([path], ['rss:queues=2']);
    expect(capture).toMatchObject({
      packets: all - outgoing,
      incoming,
      outgoing,
      flows: 1,
      direction: 'in',
      leftOut: { direction: outgoing, to: 0, filter: 0 },
    });
    expect(capture.warnings).toEqual([expect.stringMatching(/^3 outgoing packets are left out: /)]);
    expect(policies[0]!.queues.reduce((sum, { packets }) => sum + packets, 0)).toBe(all - outgoing);
  });

  it('can be asked for', async () => {
    const out = (await replay([path], ['single'], { direction: 'out' })).capture;
    expect([out.packets, out.leftOut.direction, out.warnings]).toEqual([outgoing, all - outgoing, []]);
    const both = (await replay([path], ['single'], { direction: 'both', parallel: 'always' })).capture;
    expect([both.packets, both.flows, both.leftOut.direction, both.warnings]).toEqual([all, 2, 0, []]);
  });
});

describe('destinations', () => {
  const mac = '02:00:00:00:00:0a';
  const v6 = build.ipv6({ src: '2001:db8::1', dst: '2001:db8:0:1::5' }, build.udp({ sport: 1, dport: 2 }, 4));
  const four = (dst: string) => build.ipv4({ src: '10.0.0.1', dst }, build.udp({ sport: 1, dport: 2 }, 4));
  const frames = [
    build.ethernet({ dst: mac }, four('10.1.0.1')),
    build.ethernet({ dst: mac, vlans: [5, 6] }, four('10.1.0.2')),
    build.ethernet({}, four('10.1.128.3')),
    build.ethernet({ vlans: [7] }, v6),
    build.ethernet(
      { dst: 'ff:ff:ff:ff:ff:ff' },
      build.arp({ operation: 1, senderMac: mac, senderIp: '10.1.0.1', targetIp: '10.1.0.2' }),
    ),
  ];
  const path = file('to.pcap', files.pcap(records(frames)));

  it.each<[string[], number]>([
    [[mac], 2],
    [['02-00-00-00-00-0A'], 2],
    [['ff:ff:ff:ff:ff:ff'], 1],
    [['10.1.0.2'], 1],
    [['10.1.0.0/17'], 2],
    [['10.1.77.0/16'], 3],
    [['0.0.0.0/0'], 3],
    [['2001:db8:0:1::/64'], 1],
    [['2001:db8:0:1::4/127', '10.1.0.1'], 2],
    [['2001:db8:0:1::6/127'], 0],
  ])('%j are those of %d packets', async (to, packets) => {
    const { capture } = await replay([path], ['rss'], { to });
    expect([capture.packets, capture.leftOut.to]).toEqual([packets, frames.length - packets]);
  });

  it.each([
    '10.1.0.0/33',
    '2001:db8::/129',
    'eth0',
    '10.1',
    '10.1.0.0/8/8',
    '02:00:00:00:00',
    '',
    'fe80::1%eth0',
  ])('refuses "%s"', async (text) => {
    await expect(replay([path], ['rss'], { to: [text] })).rejects.toThrow(/^--to: "/);
  });

  it('says where a MAC address cannot be known', async () => {
    const raw = file('raw.pcap', files.pcap(records([theirs]), { linkType: 101 }));
    const { capture } = await replay([raw], ['rss'], { to: [mac] });
    expect(capture.packets).toBe(0);
    expect(capture.warnings).toContainEqual(
      expect.stringMatching(/^1 packets have no destination MAC address/),
    );
  });
});

describe('super-frames', () => {
  const merged = (size: number, vlans: number[] = []) =>
    build.ethernet({ vlans }, tcp('10.0.0.1', '10.0.0.2', size));

  it('are counted, with what they were on the wire', async () => {
    // 20 segments of 1448 bytes and their two headers would have timestamps; these have 1460 bytes each.
    const frames = [merged(1460), merged(1461), merged(20 * 1460), merged(1460, [1, 2]), merged(14_600, [1])];
    const { capture } = await replay([file('merged.pcap', files.pcap(records(frames)))], ['rss']);
    expect(capture).toMatchObject({ packets: 5, superFrames: 3, wirePackets: 1 + 2 + 20 + 1 + 10 });
    expect(capture.warnings).toEqual([
      expect.stringMatching(
        /^3 frames are longer than the MTU of 1500 \(up to 29240 bytes\): .*about 34 packets, not 5/,
      ),
    ]);
  });

  it('are judged by the MTU that is given, in every link type, also when captured short', async () => {
    const packet = tcp('10.0.0.1', '10.0.0.2', 8960).bytes;
    const cut = { data: packet.subarray(0, 60), original: packet.length, seconds: 1 };
    for (const [linkType, data] of [
      [101, cut.data],
      [113, cooked(0, cut.data)],
    ] as const) {
      const extra = linkType === 113 ? 16 : 0;
      const path = file(
        `jumbo-${linkType}.pcap`,
        files.pcap([{ ...cut, data, original: packet.length + extra }], { linkType }),
      );
      expect((await replay([path], ['rss'])).capture).toMatchObject({ superFrames: 1, wirePackets: 7 });
      expect((await replay([path], ['rss'], { mtu: 9000 })).capture).toMatchObject({
        superFrames: 0,
        warnings: [],
      });
    }
  });
});

describe('pcap filters', () => {
  const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined;
  const packets = mixedPackets(400, 80);
  const path = file('mixed.pcap', files.pcap(records(packets.map((packet) => packet.frame))));
  const cookedPath = file('cooked.pcap', stated[0]![1]);

  it
    .skipIf(!hasTcpdump)
    .each([
      'tcp',
      'udp port 81 or (icmp and not host 10.0.0.3)',
      'vlan and ip6',
      'portrange 1024-1050 and less 150',
      'ip[2:2] & 7 > 3',
      'ip[6:2] & 0x3fff != 0',
      'net 10.0.0.0/24 and tcp[13] & 16 != 0',
      'ether dst 02:00:00:00:01:03',
      'len * 3 / 7 % 5 == 2',
    ])('take the packets that tcpdump takes: %s', async (filter) => {
    const wanted = spawnSync('tcpdump', ['-r', path, '-w', '-', '--', filter], { maxBuffer: 1 << 24 });
    expect(wanted.status, String(wanted.stderr)).toBe(0);
    const chosen = file('chosen.pcap', wanted.stdout);
    const [own, theirs] = [
      await replay([path], ['rss:queues=4'], { filter }),
      await replay([chosen], ['rss:queues=4']),
    ];
    expect(own.capture.leftOut.filter).toBe(packets.length - theirs.capture.packets);
    expect([own.capture.packets, own.capture.bytes]).toEqual([theirs.capture.packets, theirs.capture.bytes]);
    expect(own.policies).toEqual(theirs.policies);
  });

  it.skipIf(!hasTcpdump)('know the link type, and are refused with one line', async () => {
    const { capture } = await replay([cookedPath], ['rss'], { filter: 'outbound', direction: 'both' });
    expect([capture.packets, capture.leftOut.filter]).toEqual([3, 5]);
    await expect(replay([path], ['rss'], { filter: 'tcp prot 80' })).rejects.toThrow(
      /^--filter "tcp prot 80": .+/,
    );
  });

  it('say which program is missing', async () => {
    const saved = process.env.PATH;
    process.env.PATH = file('no-programs');
    try {
      await expect(replay([path], ['rss'], { filter: 'tcp' })).rejects.toThrow(
        /^--filter: tcpdump compiles the expression and is not installed \(package tcpdump\)/,
      );
    } finally {
      process.env.PATH = saved;
    }
  });

  it('are checked before they run', () => {
    const ret: [number, number, number, number] = [6, 0, 0, 1];
    const view = new DataView(new ArrayBuffer(4));
    expect(new BpfProgram([ret]).accepts(view, 0, 4, 4)).toBe(true);
    // A load beyond the packet ends the program: not taken.
    expect(new BpfProgram([[0x20, 0, 0, 1], ret]).accepts(view, 0, 4, 4)).toBe(false);
    for (const wrong of [
      [],
      [[0x20, 0, 0, 0]],
      [[5, 0, 0, 1], ret],
      [[0x15, 0, 1, 1], ret],
      [[0x60, 0, 0, 16], ret],
      [[0x28, 0, 0, 0xfffff004], ret],
      [[0x34, 0, 0, 0], ret],
      [[0xf4, 0, 0, 0], ret],
    ] as [number, number, number, number][][]) {
      expect(() => new BpfProgram(wrong)).toThrow(/^BPF/);
    }
  });
});
