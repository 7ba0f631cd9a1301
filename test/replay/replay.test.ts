/** The counts of a replay against what is known of the packets, and against an independent hash. */
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { renderReplay } from '#rxsteer/cli/replay-report.js';
import { UserError } from '#rxsteer/errors.js';
import { toHex } from '#rxsteer/hash/hex.js';
import type { Burst } from '#rxsteer/packet/burst.js';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { type ReplayOptions, replay, replayWith } from '#rxsteer/replay/replay.js';
import { renderReport } from '#rxsteer/report/index.js';
import * as files from '../capture/files.js';
import { bitwiseToeplitz, type Known, MICROSOFT_KEY, mixedPackets } from './traffic.js';

const file = files.temporaryFiles();
const packets = mixedPackets(6000, 900);
const records = packets.map(({ frame }, i) => ({ data: frame, seconds: 1000, fraction: 3 * i }));
const path = file('mixed.pcap', files.pcap(records));
const bytesOf = (list: readonly Known[]) => list.reduce((sum, { frame }) => sum + frame.length, 0);
const flowsOf = (list: readonly Known[]) =>
  new Set(list.map(({ flow }) => flow).filter((f) => f !== null)).size;

/** Where the generic NIC sends a packet: 128 entries, i mod queues. */
function queueOf({ input }: Known, queues: number): number {
  return input.length === 0 ? 0 : (bitwiseToeplitz(MICROSOFT_KEY, input) & 127) % queues;
}

function share(id: number, list: readonly Known[]) {
  return { id, packets: list.length, bytes: bytesOf(list), flows: flowsOf(list) };
}

describe('replay', () => {
  it('counts packets, bytes, flows, fragments, tags and what is not IP', async () => {
    const { capture } = await replay([path], ['single']);
    expect(capture).toEqual({
      files: 1,
      packets: packets.length,
      bytes: bytesOf(packets),
      flows: flowsOf(packets),
      truncated: 0,
      notIp: packets.filter(({ flow }) => flow === null).length,
      fragments: packets.filter(({ fragment }) => fragment).length,
      vlanTagged: packets.filter(({ tagged }) => tagged).length,
      seconds: expect.closeTo(3e-6 * (packets.length - 1), 9),
      destinationMacs: 8,
      start: expect.any(String),
      direction: 'in',
      incoming: 0,
      outgoing: 0,
      leftOut: { direction: 0, to: 0, filter: 0 },
      mtu: 1500,
      superFrames: 0,
      wirePackets: packets.length,
      interrupted: false,
      warnings: [],
    });
  });

  it('takes policies in any form: functions and compiled ones too', async () => {
    const byLength = ({ workers }: { workers: number }) => ({
      steer({ n, len, worker }: Burst) {
        for (let i = 0; i < n; i++) worker[i] = len[i]! % workers;
      },
    });
    const options = { workers: 3, threads: 2, parallel: 'always' } as const;
    const { policies } = await replay(
      [path],
      [byLength, compilePolicy(parsePolicy('rss:queues=4'), { workers: 3 }), 'rss:queues=4'],
      options,
    );
    expect(policies[0]!.workers.map((share) => share.packets)).toEqual(
      [0, 1, 2].map((id) => packets.filter(({ frame }) => frame.length % 3 === id).length),
    );
    expect(policies[1]!.queues).toEqual(policies[2]!.queues);
  });

  it('gives both outcomes where it is not known whether UDP ports are hashed', async () => {
    const flows = ['udp', 'tcp'].flatMap((transport) =>
      Array.from({ length: 64 }, (_, n) => `${transport} 10.0.0.1:${1000 + n} > 10.0.0.2:53`),
    );
    const capture = (name: string, texts: string[]) =>
      file(
        name,
        files.pcap(texts.map((text, i) => ({ data: flowFrame(parseFlow(text, 'flow')), fraction: i }))),
      );
    const table = `RX flow hash indirection table for eth0 with 4 RX ring(s):\n    0:  0 1 2 3\nRSS hash key:\n`;
    const nic = file('nic.txt', Buffer.from(table + toHex(MICROSOFT_KEY).match(/../g)!.join(':')));
    const both = await replay([capture('udp.pcap', flows)], [`rss:ethtool=${nic}`]);
    const [policy] = both.policies;
    expect(policy!.assumed[0]).toMatch(/^assumed that the NIC hashes UDP .* by addresses and ports/);
    const known = await replay([capture('udp.pcap', flows)], [`rss:ethtool=${nic},types=ipv4+tcp-ipv4`]);
    expect(known.policies[0]).toMatchObject({ assumed: [], otherwise: null });
    expect(policy!.otherwise).toMatchObject({
      what: 'UDP hashed by addresses only',
      queues: known.policies[0]!.queues,
      fullestOverFair: known.policies[0]!.fullestOverFair,
    });
    expect(policy!.otherwise!.fullestOverFair).toBeGreaterThan(policy!.fullestOverFair);
    expect(both.capture.warnings).toEqual([expect.stringContaining('with UDP hashed by addresses only')]);
    expect(renderReplay(both)).toContain('otherwise, with UDP hashed by addresses only: fullest/fair');
    expect(renderReport(both)).toContain('Otherwise, with UDP hashed by addresses only: fullest / fair');
    const tcp = await replay([capture('tcp.pcap', flows.slice(64))], [`rss:ethtool=${nic}`]);
    expect(tcp.policies[0]).toMatchObject({ otherwise: null });
    expect(tcp.policies[0]!.assumed).toEqual([expect.stringContaining('TCP over IPv4')]);
    expect(tcp.capture.warnings).toEqual([]);
  });

  it('a pipe is waited for without a call that hangs: its writer may come later, and an interrupt ends the wait', async () => {
    const pipe = file('pipe');
    execFileSync('mkfifo', [pipe]);
    const stop = new AbortController();
    const waiting = replayWith([pipe], ['single'], { signal: stop.signal });
    await setImmediate();
    stop.abort();
    expect((await waiting).capture).toMatchObject({ packets: 0, interrupted: true });
    const reading = replay([pipe], ['single']);
    await pipeline(createReadStream(path), createWriteStream(pipe));
    expect((await reading).capture).toMatchObject({ packets: packets.length, interrupted: false });
  });

  it('bytes are the lengths that the capture states, whatever its link type', async () => {
    const sizes = [60, 61, 62, 63, 64];
    const ip = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i === 0 ? 0x45 : i));
    for (const linkType of [1, 12, 101, 113, 228, 276]) {
      const whole = file(
        'link.pcap',
        files.pcap(
          sizes.map((size) => ({ data: ip(size) })),
          { linkType },
        ),
      );
      const cut = sizes.map((size) => ({ data: ip(size).subarray(0, 40), original: size }));
      for (const path of [whole, file('cut.pcap', files.pcap(cut, { linkType }))]) {
        const { capture, policies } = await replay([path], ['single', 'rss:queues=2']);
        expect([linkType, capture.bytes]).toEqual([linkType, 310]);
        for (const { workers } of policies) {
          expect(workers.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(310);
        }
      }
    }
    // Frames with an FCS: the stated lengths have it.
    const fcs = files.option(true, 13, Uint8Array.of(4));
    const ng = [files.section(), files.netInterface(true, 1, [fcs])];
    for (const size of sizes) ng.push(files.enhanced(true, 0, [0, 1], ip(size)));
    const { capture } = await replay([file('fcs.pcapng', Buffer.concat(ng))], ['single']);
    expect([capture.bytes, capture.truncated]).toEqual([310, 0]);
  });

  it.each([4, 5, 8])(
    'sends every packet to the queue that a bitwise Toeplitz names (%d queues)',
    async (queues) => {
      const workers = 3;
      const { policies } = await replay([path], [`rss:queues=${queues},key=microsoft`], { workers });
      const [policy] = policies;
      const by = (count: number, where: (p: Known) => number) =>
        Array.from({ length: count }, (_, id) =>
          share(
            id,
            packets.filter((p) => where(p) === id),
          ),
        );
      expect(policy!.queues).toEqual(by(queues, (p) => queueOf(p, queues)));
      const byWorker = by(workers, (p) => queueOf(p, queues) % workers);
      expect(policy!.workers.map(({ busyRatio: _, ...rest }) => rest)).toEqual(byWorker);
      const loads = byWorker.map((w) => w.packets);
      const mean = packets.length / workers;
      expect(policy!.fullestOverFair).toBeCloseTo(Math.max(...loads) / mean, 12);
      const pairs = loads.flatMap((a) => loads.map((b) => Math.abs(a - b)));
      expect(policy!.gini).toBeCloseTo(pairs.reduce((a, b) => a + b, 0) / (2 * workers * workers * mean), 12);
      const types: Record<string, number> = { none: 0 };
      for (const { type } of packets) types[type] = (types[type] ?? 0) + 1;
      expect(policy!.hashTypes).toEqual(types);
      const buckets = new Array<number>(128).fill(0);
      for (const { input } of packets) {
        if (input.length > 0) buckets[bitwiseToeplitz(MICROSOFT_KEY, input) & 127]!++;
      }
      expect(policy!.buckets).toEqual(buckets);
      expect([policy!.handoffsPerPacket, policy!.wakeupsPerPacket, policy!.reordered.packets]).toEqual([
        0, 0, 0,
      ]);
    },
  );

  it('lists the largest flows and where they are', async () => {
    const { policies } = await replay([path], ['rss:queues=8'], { top: 7 });
    const counts = new Map<string, number>();
    for (const { flow } of packets) if (flow !== null) counts.set(flow, (counts.get(flow) ?? 0) + 1);
    const largest = [...counts.values()].sort((a, b) => b - a).slice(0, 7);
    const { topFlows } = policies[0]!;
    expect(topFlows.map((flow) => flow.packets)).toEqual(largest);
    for (const { flow, packets: count, queue, worker, share: part } of topFlows) {
      const [, src, sport, dst, dport] = /^\w+ \[?([^\]]+?)\]?(?::(\d+))? > \[?([^\]]+?)\]?(?::(\d+))?$/.exec(
        flow,
      )!;
      const matching = packets.filter(
        (p) => p.flow?.startsWith(`${src} ${dst} `) && p.flow.endsWith(` ${sport ?? 0} ${dport ?? 0}`),
      );
      expect(matching.length, flow).toBe(count);
      expect([queue, worker]).toEqual([queueOf(matching[0]!, 8), queueOf(matching[0]!, 8)]);
      expect(part).toBe(count / packets.length);
    }
  });

  it('counts every packet of every policy once, in one pass', async () => {
    const texts = [
      'single',
      'rss:queues=8',
      'rps:cpus=0-3',
      'rfs:cpus=0-3',
      'mac',
      'mac-hash',
      'round-robin',
    ];
    const together = await replay([path], texts, { workers: 8 });
    for (const [i, text] of texts.entries()) {
      const own = together.policies[i]!;
      expect(own.policy).toBe(text);
      for (const list of [own.queues, own.workers]) {
        expect(
          list.reduce((sum, { packets: n }) => sum + n, 0),
          text,
        ).toBe(packets.length);
        expect(
          list.reduce((sum, { bytes }) => sum + bytes, 0),
          text,
        ).toBe(bytesOf(packets));
      }
      expect(
        own.overTime.loads.flat().reduce((a, b) => a + b, 0),
        text,
      ).toBe(packets.length);
      const [alone] = (await replay([path], [text], { workers: 8 })).policies;
      // RFS steers by the backlogs at the time: its bursts are shorter, which must change nothing for the others.
      expect({ ...own, flowsMoved: null }, text).toEqual({ ...alone!, flowsMoved: null });
    }
  });

  it('tells how many flows another policy moves', async () => {
    const { policies } = await replay([path], ['rss:queues=8', 'rss:queues=8', 'rss:queues=5']);
    const flows = new Map(packets.map((p) => [p.flow, p]));
    flows.delete(null);
    const moved = [...flows.values()].filter((p) => queueOf(p, 8) !== queueOf(p, 5)).length;
    expect(policies.map((p) => p.flowsMoved)).toEqual([null, 0, moved]);
    expect(moved).toBeGreaterThan(100);
  });

  it('counts a flow once for each worker that it has been with', async () => {
    const { policies } = await replay([path], ['round-robin'], { workers: 40 });
    const { workers } = policies[0]!;
    const by = Array.from({ length: 40 }, (_, id) =>
      share(
        id,
        packets.filter((_p, i) => i % 40 === id),
      ),
    );
    expect(workers.map(({ busyRatio: _, ...rest }) => rest)).toEqual(by);
  });

  it('counts hand-offs: what worker 0 received for another', async () => {
    const { policies } = await replay([path], ['rps:cpus=0-3', 'rps:cpus=1-3', 'round-robin'], {
      workers: 4,
    });
    const away = policies.map((p) => (packets.length - p.workers[0]!.packets) / packets.length);
    expect(policies.map((p) => p.handoffsPerPacket)).toEqual(away);
    expect(away.slice(1)).toEqual([1, 0.75]);
  });

  it('notices truncated packets, counts their bytes on the wire, and hashes what is there', async () => {
    const cut = packets
      .slice(0, 500)
      .map(({ frame }) => ({ data: frame.subarray(0, 54), original: frame.length }));
    const { capture } = await replay([file('cut.pcap', files.pcap(cut))], ['rss']);
    expect(capture.truncated).toBe(500);
    expect(capture.bytes).toBe(bytesOf(packets.slice(0, 500)));
    expect(capture.packets).toBe(500);
  });

  it('reads several files as one', async () => {
    const parts = [0, 1, 2].map((k) =>
      file(`part${k}.pcap`, files.pcap(records.slice(2000 * k, 2000 * (k + 1)))),
    );
    const [whole] = (await replay([path], ['round-robin', 'rss:queues=8'], { workers: 4 })).policies;
    const { capture, policies } = await replay(parts, ['round-robin', 'rss:queues=8'], { workers: 4 });
    expect([capture.files, capture.packets, capture.flows]).toEqual([3, 6000, flowsOf(packets)]);
    expect(policies[0]).toEqual(whole);
  });

  it('gives the same result for any number of threads', async () => {
    const texts = ['rss:queues=8', 'rps:cpus=0-3', 'round-robin', 'rfs:cpus=0-3', 'mac-hash:queues=4'];
    const options: ReplayOptions = { workers: 8, gapNs: 400 };
    const alone = await replay([path], texts, { ...options, threads: 1 });
    const two = await replay([path], texts, { ...options, threads: 2, parallel: 'always' });
    const three = await replay([path], texts, { ...options, threads: 3, parallel: 'always' });
    expect(two).toEqual(alone);
    expect(three).toEqual(alone);
  });

  it('passes errors on from its threads', async () => {
    const parallel = { threads: 2, parallel: 'always' } as const;
    const wrong = file('text.pcap', Buffer.from('no capture at all'));
    await expect(replay([wrong], ['rss'], parallel)).rejects.toThrow(/text\.pcap: not a capture/);
    await expect(replay([wrong], ['rss'], parallel)).rejects.toBeInstanceOf(UserError);
    const faulty = file(
      'faulty.mjs',
      Buffer.from('export default () => ({ steer(b) { b.worker[0] = 99; } });'),
    );
    const run = replay([path], ['rss', `js:${faulty}`], parallel);
    await expect(run).rejects.toThrow(/policy js: .*faulty\.mjs: worker 99 does not exist/);
  });

  it('runs policies of the user', async () => {
    const own = file(
      'odd.cjs',
      Buffer.from(
        'module.exports = () => ({ steer(b) { for (let i = 0; i < b.n; i++) b.worker[i] = b.len[i] & 1; } });',
      ),
    );
    const { policies } = await replay([path], [`js:${own}`], { workers: 2 });
    const odd = packets.filter(({ frame }) => (frame.length & 1) === 1).length;
    expect(policies[0]!.workers.map((w) => w.packets)).toEqual([packets.length - odd, odd]);
  });

  it('needs no flows, no packets and no time', async () => {
    const empty = file('none.pcap', files.pcap([]));
    const { capture, policies } = await replay([empty], ['rss:queues=4', 'rps:cpus=0-1']);
    expect([capture.packets, capture.flows, capture.seconds]).toEqual([0, 0, 0]);
    expect(policies[0]!.queues.map((q) => q.packets)).toEqual([0, 0, 0, 0]);
    expect([policies[1]!.fullestOverFair, policies[1]!.gini, policies[1]!.handoffsPerPacket]).toEqual([
      0, 0, 0,
    ]);
    expect(JSON.stringify(policies)).not.toMatch(/null,"wake|NaN/);
  });
});

describe('link types and containers', () => {
  const ip = packets.filter(({ tagged, flow }) => !tagged && flow !== null);
  const plain = ip.map(({ frame }) => frame);
  const expected = () =>
    replay([file('plain.pcap', files.pcap(plain.map((data) => ({ data }))))], ['rss:queues=8']);
  const cooked = (frame: Uint8Array) =>
    Buffer.concat([Buffer.of(0, 0, 0, 1, 0, 6), frame.subarray(6, 12), Buffer.of(0, 0), frame.subarray(12)]);
  const cooked2 = (frame: Uint8Array) =>
    Buffer.concat([
      frame.subarray(12, 14),
      Buffer.of(0, 0, 0, 0, 0, 1, 0, 1, 0, 6),
      frame.subarray(6, 12),
      Buffer.of(0, 0),
      frame.subarray(14),
    ]);
  const raw = (frame: Uint8Array) => frame.subarray(14);
  const pcapOf = (linkType: number, change: (frame: Uint8Array) => Uint8Array) =>
    files.pcap(
      plain.map((frame) => ({ data: change(frame) })),
      { linkType },
    );
  const section = (little: boolean, part: readonly Uint8Array[]) => [
    files.section(little),
    files.netInterface(little, 101),
    files.netInterface(little, 1, [files.option(little, 9, Uint8Array.of(9))]),
    files.netInterface(little, 113),
    ...part.map((frame, i) =>
      i % 4 === 3
        ? files.simple(little, raw(frame))
        : files.enhanced(little, i % 4, [0, i], [raw, (f: Uint8Array) => f, cooked][i % 4]!(frame)),
    ),
  ];
  const mixed = Buffer.concat([...section(true, plain.slice(0, 400)), ...section(false, plain.slice(400))]);

  it.each([
    ['raw IP', pcapOf(101, raw)],
    ['raw IP, old number', pcapOf(12, raw)],
    ['Linux cooked', pcapOf(113, cooked)],
    ['Linux cooked v2', pcapOf(276, cooked2)],
    [
      'big-endian nanoseconds',
      files.pcap(
        plain.map((data) => ({ data })),
        { little: false, magic: 0xa1b23c4d },
      ),
    ],
    ['pcapng: sections of both byte orders, three interfaces, simple packets', mixed],
    ['the same in gzip', gzipSync(mixed)],
  ])('%s: the same flows in the same queues', async (_name, bytes) => {
    const { capture, policies } = await expected();
    const own = await replay([file('other.cap', bytes)], ['rss:queues=8']);
    expect(capture.packets).toBe(ip.length);
    expect([own.capture.packets, own.capture.flows, own.capture.fragments, own.capture.notIp]).toEqual([
      capture.packets,
      capture.flows,
      capture.fragments,
      0,
    ]);
    const counts = (result: typeof own) => result.policies[0]!.queues.map((q) => [q.packets, q.flows]);
    expect(counts(own)).toEqual(counts({ capture, policies, advice: [], model: '' }));
  });
});
