/** Made packets: right by tshark and by sums of the test's own, as many flows and fragments as were asked for. */
import { describe, expect, it } from 'vitest';
import { BURST_MAX, Burst, Kind } from '#rxsteer/packet/burst.js';
import { describeFrame } from '#rxsteer/packet/describe.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { makeFrames, makeTraffic } from '#rxsteer/traffic/frames.js';
import { TrafficMaker } from '#rxsteer/traffic/maker.js';
import { planTraffic, TRAFFIC_TUNNELS, type TrafficOptions } from '#rxsteer/traffic/options.js';
import { RecordEncoder } from '#rxsteer/traffic/records.js';
import { openSink } from '#rxsteer/traffic/sink.js';
import type { MadeSummary } from '#rxsteer/traffic/summary.js';
import { writeTraffic } from '#rxsteer/traffic/write.js';
import { matrix } from '../support/matrix.js';
import { faults, hasTshark, plainSum, tshark, withFolder } from './support.js';

async function write(path: string, options: TrafficOptions): Promise<MadeSummary> {
  const sink = openSink(path, false);
  const made = await writeTraffic(new TrafficMaker(planTraffic(options)), new RecordEncoder('pcap'), sink);
  await sink.close();
  return made;
}

function described(options: TrafficOptions) {
  const burst = new Burst(new Uint8Array(65_600));
  return [...makeTraffic(options)].map((packet) => {
    burst.bytes.set(packet.frame);
    burst.n = 0;
    burst.add(0, packet.frame.length);
    dissectBurst(burst);
    return { ...packet, ...describeFrame(burst, 0), flags: packet.frame[47]! };
  });
}

const ALL = { tcp: 1, udp: 1, sctp: 1, icmp: 1 };
const EACH_TUNNEL = Object.fromEntries(TRAFFIC_TUNNELS.map((name) => [name, 0.1]));

describe('made traffic', () => {
  it('is the same for the same seed, and another for another', () => {
    const options = { packets: 500, flows: 20, protocols: ALL, fragments: 0.1, arrivals: 'poisson' as const };
    const all = (seed: number) => Buffer.concat([...makeFrames({ ...options, seed })]);
    expect(all(3).equals(all(3))).toBe(true);
    expect(all(3).equals(all(4))).toBe(false);
    const times = (seed: number) => [...makeTraffic({ ...options, seed })].map(({ time }) => time);
    expect(times(3)).toEqual(times(3));
  });

  it('has exactly the packets, flows, guests, VLANs and fragments that were asked for', () => {
    for (const fragments of [0, 0.1, 0.33, 1]) {
      const options = { packets: 3000, flows: 40, guests: 8, vlans: 4, fragments };
      const packets = described(options);
      expect(packets).toHaveLength(3000);
      expect(packets.filter(({ fragment }) => fragment)).toHaveLength(3000 * fragments);
      expect(new Set(packets.map(({ flow }) => flow)).size).toBe(40);
      expect(new Set(packets.map(({ dst }) => dst)).size).toBe(8);
      expect(new Set(packets.map(({ vlans }) => vlans.join())).size).toBe(4);
    }
  });

  it('has right checksums: sums over packets of all protocols, with nothing of the maker', () => {
    for (const { frame } of makeTraffic({ packets: 400, flows: 20, protocols: ALL, size: '60-200' })) {
      const total = (frame[16]! << 8) | frame[17]!;
      const ip = frame.subarray(14, 14 + total);
      const protocol = ip[9]!;
      expect(plainSum(ip.subarray(0, 20))).toBe(0xffff);
      const l4 = ip.subarray(20);
      const pseudo = plainSum(ip.subarray(12, 20)) + protocol + l4.length;
      if (protocol !== 132) expect(plainSum(l4, protocol === 1 ? 0 : pseudo)).toBe(0xffff);
      expect(frame.subarray(14 + total).every((byte) => byte === 0)).toBe(true);
    }
  });

  it('has flows of TCP that begin with SYN and count what they carry', () => {
    const next = new Map<string, number>();
    for (const { frame, flow, reverse, length } of described({
      packets: 2000,
      flows: 10,
      bothWays: true,
      size: '60-1514',
    })) {
      const view = new DataView(frame.buffer);
      const key = `${flow} ${reverse}`;
      const other = `${flow} ${!reverse}`;
      const flags = frame[47]!;
      const isFirst = !next.has(key);
      expect((flags & 2) !== 0).toBe(isFirst);
      if (!isFirst) expect(view.getUint32(38)).toBe(next.get(key));
      if ((flags & 16) !== 0) expect(view.getUint32(42)).toBe(next.get(other));
      const payload = view.getUint16(16) - 40;
      expect(length).toBe(Math.max(60, 54 + payload));
      next.set(key, (view.getUint32(38) + payload + (flags & 2 ? 1 : 0)) >>> 0);
    }
    expect(next.size).toBe(20);
  });

  it('keeps sizes: fixed, IMIX about 7:4:1, ranges', () => {
    const sizes = (size: string) =>
      [...makeFrames({ packets: 6000, flows: 5, size, protocols: { udp: 1 } })].map((f) => f.length);
    expect(new Set(sizes('1000'))).toEqual(new Set([1000]));
    const imix = sizes('imix');
    const part = (length: number) => imix.filter((size) => size === length).length / 500;
    expect([part(60), part(590), part(1514)].map(Math.round)).toEqual([7, 4, 1]);
    const range = sizes('100-110');
    expect([Math.min(...range), Math.max(...range)]).toEqual([100, 110]);
  });

  it('keeps the rate, whatever the arrivals', () => {
    for (const arrivals of ['constant', 'poisson', 'bursts'] as const) {
      const times = [...makeTraffic({ packets: 20_000, flows: 5, arrivals, rate: 1e5 })].map(
        ({ time }) => time,
      );
      expect(times.every((time, i) => i === 0 || time >= times[i - 1]!)).toBe(true);
      expect(times[times.length - 1]! / 1e9 / 0.2).toBeCloseTo(1, 1);
    }
  });

  it('puts all protocols into all tunnels, findable by dissection', () => {
    const burst = new Burst(new Uint8Array(BURST_MAX * 2048));
    let bad = 0;
    for (const frame of makeFrames({
      packets: 2000,
      flows: 200,
      protocols: ALL,
      ipv6: 0.3,
      tunnels: EACH_TUNNEL,
    })) {
      burst.n = 0;
      burst.bytes.set(frame);
      burst.add(0, frame.length);
      dissectBurst(burst);
      if ((burst.kind[0]! & Kind.bad) !== 0) bad++;
    }
    expect(bad).toBe(0);
  });

  it.each([
    [{ flows: 0 }, 'flows: 0: expected a whole number from 1 to 4194304'],
    [{ size: '20' }, 'size: "20" is no frame size'],
    [{ protocols: { tpc: 1 } }, 'protocols: unknown protocol "tpc": did you mean tcp'],
    [{ tunnels: { vxlan: 0.9, gre: 0.2 } }, 'tunnels: the shares add up to 1.1'],
    [{ elephants: 3 }, 'elephants and elephantShare: both or none'],
    [{ qinq: true }, 'qinq: goes with vlans only'],
    [{ flows: 100_000, clients: 2 }, 'clients: 2 have ports for 32768 flows'],
    [{ colour: 'red' }, 'unknown option "colour"'],
    [
      { fragments: 0.1, imbalance: { policy: 'rss:queues=2', queue: 0, share: 0.9 } },
      'fragments: does not go with',
    ],
  ])('refuses %j', (options, message) => {
    expect(() => makeTraffic(options as TrafficOptions)).toThrow(message);
  });
});

describe.runIf(hasTshark)('by tshark', () => {
  const made: [string, TrafficOptions][] = [
    ['protocols', { protocols: ALL, ipv6: 0.4, guests: 7, clients: 9 }],
    ['both ways, two tags', { protocols: ALL, ipv6: 0.4, bothWays: true, vlans: 3, qinq: true, guests: 6 }],
    ['fragments', { protocols: ALL, ipv6: 0.4, fragments: 0.4 }],
    ['tunnels', { protocols: ALL, ipv6: 0.4, tunnels: EACH_TUNNEL }],
    [
      'fragments in tunnels',
      { protocols: ALL, ipv6: 0.4, fragments: 0.5, tunnels: EACH_TUNNEL, bothWays: true },
    ],
  ];
  it.each(matrix(made, [1, 4]))(
    '%s: nothing malformed, checksums right, flows and fragments as counted',
    async (_, options) => {
      await withFolder(async (path) => {
        const file = path('made.pcap');
        const made = await write(file, { packets: 2000, flows: 120, ...options });
        expect(await faults(file)).toEqual([]);
        const rows = await tshark(file, [
          'frame.protocols',
          'eth.dst',
          'ip.src',
          'ip.dst',
          'ip.proto',
          'ipv6.src',
          'ipv6.dst',
          'ipv6.nxt',
          'ip.flags.mf',
          'ip.frag_offset',
          'ipv6.fraghdr.offset',
          'tcp.srcport',
          'tcp.dstport',
          'udp.srcport',
          'udp.dstport',
          'sctp.srcport',
          'sctp.dstport',
          'ipv6.fraghdr.nxt',
        ]);
        const flows = new Set<string>();
        const guests = new Set<string>();
        let fragments = 0;
        for (const row of rows) {
          const first = row.map((value) => value.split(',')[0]!);
          const [protocols = '', mac, src4, dst4, proto4, src6, dst6, next6, ...rest] = first;
          guests.add(mac!);
          const all = row.slice(8, 11).map((value) => value.split(','));
          const inFragments =
            all[0]!.includes('True') ||
            all[0]!.includes('1') ||
            all[1]!.some((at) => Number(at) > 0) ||
            row[10] !== '';
          if (inFragments) fragments++;
          const network = protocols
            .split(':')
            .find((name) => name === 'ip' || name === 'ipv6' || name === 'mpls' || name === 'pppoes');
          if (network !== 'ip' && network !== 'ipv6') continue;
          const tunnelled = /:(gre|vxlan|geneve|gtp|ip:ip|ip:ipv6)/.test(protocols);
          const outer =
            network === 'ip' ? [src4, dst4, proto4] : [src6, dst6, next6 === '44' ? rest[9] : next6];
          const portOf = (from: number) =>
            rest
              .slice(3 + from, 9)
              .filter((__, n) => n % 2 === 0)
              .find((port) => port !== '') ?? '0';
          const udp = [rest[5], rest[6]];
          const ports = tunnelled
            ? outer[2] === '17'
              ? udp
              : ['0', '0']
            : inFragments
              ? ['0', '0']
              : [portOf(0), portOf(1)];
          flows.add([...outer, ...ports].join(' '));
        }
        expect(rows).toHaveLength(made.packets);
        expect(flows.size).toBe(made.flows);
        expect(fragments).toBe(made.fragments + made.innerFragments);
        if (options.bothWays !== true) expect(guests.size).toBe(made.guests);
      });
    },
  );
});
