/** Captures spread over flows and guests: as many as were wanted, the same packets, right checksums. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { captureFrames } from '#rxsteer/capture/frames.js';
import { openCapture } from '#rxsteer/capture/stream.js';
import { CaptureWriter } from '#rxsteer/capture/writer.js';
import { arp, ethernet, homeAddressExtension, ipv4, ipv6, udp } from '#rxsteer/packet/build.js';
import { makeFrames, makeTraffic } from '#rxsteer/traffic/frames.js';
import { rxsteer } from '../cli/run.js';
import { faults, hasTshark, plainSum, withFolder } from './support.js';

async function writeFrames(path: string, frames: Iterable<Uint8Array>): Promise<void> {
  const writer = CaptureWriter.create(path);
  let n = 0;
  for (const frame of frames) writer.write(frame, 0, frame.length, frame.length, 1_600_000_000, n++ * 1000);
  writer.close();
}

async function spread(...args: string[]) {
  const { code, stdout, stderr } = await rxsteer(['make', ...args, '--json']);
  expect([stderr, code]).toEqual(['', 0]);
  return JSON.parse(stdout);
}

const MIX = {
  packets: 3000,
  flows: 7,
  protocols: { tcp: 1, udp: 1, sctp: 1, icmp: 1 },
  ipv6: 0.4,
  bothWays: true,
};

describe('make --from', () => {
  it('makes exactly so many flows of a capture, and keeps sizes and times', async () => {
    await withFolder(async (path) => {
      await writeFrames(path('in.pcap'), makeFrames(MIX));
      const made = await spread(path('out.pcap'), '--from', path('in.pcap'), '--as-flows', '100');
      expect(made).toMatchObject({ packets: 3000, flows: 100, guests: 2, unchanged: 0, warning: null });
      const [before, after] = await Promise.all(
        ['in.pcap', 'out.pcap'].map(async (name) => {
          const all: number[][] = [];
          for await (const batch of await openCapture(path(name))) {
            for (let i = 0; i < batch.n; i++)
              all.push([batch.len[i]!, batch.seconds[i]!, batch.nanoseconds[i]!]);
          }
          return all;
        }),
      );
      expect(after).toEqual(before);
      const again = await spread(path('again.pcap'), '--from', path('in.pcap'), '--as-flows', '100');
      expect(again.flows).toBe(100);
      expect(readFileSync(path('again.pcap')).equals(readFileSync(path('out.pcap')))).toBe(true);
    });
  });

  it.runIf(hasTshark)('leaves checksums right, also of fragments and inside tunnels', async () => {
    await withFolder(async (path) => {
      const tunnels = { vxlan: 0.2, gre: 0.2, '6in4': 0.1 };
      await writeFrames(path('in.pcap'), makeFrames({ ...MIX, flows: 60, fragments: 0.4, tunnels }));
      for (const args of [
        ['--as-flows', '50'],
        ['--as-macs', '9'],
        ['--as-flows', '20', '--as-macs', '3', '--keep-flows'],
      ]) {
        await spread(path('out.pcap'), '--from', path('in.pcap'), ...args);
        expect(await faults(path('out.pcap'))).toEqual([]);
      }
    });
  });

  it('keeps the fragments of a datagram in one flow', async () => {
    await withFolder(async (path) => {
      const made = [...makeTraffic({ packets: 1000, flows: 1, protocols: { udp: 1 }, fragments: 1 })];
      await writeFrames(
        path('in.pcap'),
        made.map(({ frame }) => frame),
      );
      await spread(path('out.pcap'), '--from', path('in.pcap'), '--as-flows', '30');
      const sourceOfId = new Map<number, Set<number>>();
      for await (const frame of captureFrames(path('out.pcap'))) {
        const view = new DataView(frame.buffer);
        const id = view.getUint16(18);
        sourceOfId.set(id, (sourceOfId.get(id) ?? new Set()).add(view.getUint32(26)));
      }
      expect([...sourceOfId.values()].every(({ size }) => size === 1)).toBe(true);
      expect(new Set([...sourceOfId.values()].map((sources) => [...sources][0])).size).toBe(30);
    });
  });

  it('gives so many guests, one address each; groups and what is not IP keep theirs', async () => {
    await withFolder(async (path) => {
      const flow = { src: '192.0.2.1', dst: '192.0.2.2' };
      const broadcast = ethernet({ dst: 'ff:ff:ff:ff:ff:ff' }, ipv4(flow, udp({ sport: 1, dport: 2 }, 'x')));
      const request = ethernet(
        { dst: 'ff:ff:ff:ff:ff:ff' },
        arp({ operation: 1, senderMac: '02:00:00:00:00:01', senderIp: '192.0.2.1', targetIp: '192.0.2.2' }),
      );
      const plain = ethernet({}, ipv4(flow, udp({ sport: 1, dport: 2, checksum: 0 }, 'x')));
      await writeFrames(path('in.pcap'), [broadcast, request, ...new Array(200).fill(plain)]);
      const made = await spread(path('out.pcap'), '--from', path('in.pcap'), '--as-macs', '8');
      expect(made).toMatchObject({ packets: 202, guests: 8, notIp: 1 });
      const out: Uint8Array[] = [];
      for await (const frame of captureFrames(path('out.pcap'))) out.push(frame);
      expect(Buffer.from(out[0]!).equals(broadcast)).toBe(true);
      expect(Buffer.from(out[1]!).equals(request)).toBe(true);
      const pairs = new Set(
        out
          .slice(2)
          .map(
            (frame) =>
              `${Buffer.from(frame.subarray(0, 6)).toString('hex')} ${frame.subarray(30, 34).join('.')}`,
          ),
      );
      expect(pairs.size).toBe(8);
      for (const frame of out.slice(2)) {
        expect(plainSum(frame.subarray(14, 34))).toBe(0xffff);
        // "None" stays "none".
        expect(frame.subarray(40, 42)).toEqual(Uint8Array.of(0, 0));
        expect(frame.subarray(26, 30)).toEqual(Uint8Array.of(192, 0, 2, 1));
      }
    });
  });

  it('leaves Mobile IPv6 and damaged packets alone, and says so', async () => {
    await withFolder(async (path) => {
      const addresses = { src: '2001:db8::1', dst: '2001:db8::2' };
      const mobile = ethernet(
        {},
        ipv6(
          { ...addresses, extensions: [homeAddressExtension('2001:db8::9')] },
          udp({ sport: 1, dport: 2 }),
        ),
      );
      const damaged = ethernet(
        {},
        ipv4({ src: '192.0.2.1', dst: '192.0.2.2', totalLength: 900 }, udp({ sport: 1, dport: 2 })),
      );
      await writeFrames(path('in.pcap'), [mobile, damaged]);
      const made = await spread(path('out.pcap'), '--from', path('in.pcap'), '--as-flows', '8');
      expect(made).toMatchObject({ packets: 2, unchanged: 2 });
    });
  });
});
