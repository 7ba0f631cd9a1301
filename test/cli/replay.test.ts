/** `rxsteer replay` as a user calls it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openCapture } from '#rxsteer/capture/stream.js';
import type { ReplayResult } from '#rxsteer/replay/result.js';
import * as files from '../capture/files.js';
import { mixedPackets } from '../replay/traffic.js';
import { CLI } from '../support/forwarder.js';
import { rxsteer as here } from './run.js';
import { rxsteer } from './run-cli.js';

const file = files.temporaryFiles();
const packets = mixedPackets(300, 60);
const records = packets.map(({ frame }, i) => ({ data: frame, seconds: 7, fraction: 10 * i }));
const bytes = files.pcap(records);
const path = file('in.pcap', bytes);

async function json(args: readonly string[]): Promise<ReplayResult> {
  const { code, stdout, stderr } = await rxsteer(['replay', ...args, '--json']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as ReplayResult;
}

describe('rxsteer replay', () => {
  it('prints the fields of the contract', async () => {
    const { capture, policies } = await json([path, '--policy', 'rss:queues=4', '--policy', 'rps:cpus=0-1']);
    expect(capture).toMatchObject({ files: 1, packets: 300, truncated: 0 });
    expect(policies.map(({ policy }) => policy)).toEqual(['rss:queues=4', 'rps:cpus=0-1']);
    for (const policy of policies) {
      expect(policy).toMatchObject({
        queues: expect.any(Array),
        workers: expect.any(Array),
        fullestOverFair: expect.any(Number),
        gini: expect.any(Number),
        handoffsPerPacket: expect.any(Number),
        wakeupsPerPacket: expect.any(Number),
        reordered: { packets: expect.any(Number), ratio: expect.any(Number), maxExtent: expect.any(Number) },
        hashTypes: { none: expect.any(Number) },
      });
      for (const part of [...policy.queues, ...policy.workers]) {
        expect(Object.keys(part)).toEqual(expect.arrayContaining(['id', 'packets', 'bytes', 'flows']));
      }
    }
    expect(policies[0]!.queues.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect(policies[1]!.workers.length).toBe(2);
  });

  it('takes the number of workers from --workers', async () => {
    const { policies } = await json([path, '--policy', 'rss:queues=4', '--workers', '2']);
    expect([policies[0]!.queues.length, policies[0]!.workers.length]).toEqual([4, 2]);
    const { stderr, code } = await rxsteer(['replay', path, '--policy', 'rps:cpus=0-3', '--workers', '2']);
    expect([code, stderr]).toEqual([2, 'rxsteer: policy rps: cpus: CPU 2 is no worker; workers: 0 to 1\n']);
  });

  it('reads standard input, and several files', async () => {
    const call = [CLI, 'replay', '-', '--policy', 'rss', '--json'];
    const { status, stdout } = spawnSync(process.execPath, call, {
      input: gzipSync(bytes),
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect((JSON.parse(stdout) as ReplayResult).capture.packets).toBe(300);
    const { capture } = await json([path, path, '--policy', 'rss']);
    expect([capture.files, capture.packets]).toEqual([2, 600]);
  });

  it('prints tables for people', async () => {
    const { code, stdout, stderr } = await rxsteer([
      'replay',
      path,
      '--policy',
      'rss:queues=4',
      '--policy',
      'round-robin',
      '--workers',
      '4',
      '--gap',
      '0.1',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^packets {7}300 \(.+ kB\) in 29\.9 us, 10\.0 M packets\/s$/m);
    expect(stdout).toMatch(/^rss:queues=4 +4 +\d\.\d\d +0\.\d\d +/m);
    expect(stdout).toMatch(/^round-robin +4 +1\.00 +0\.00 +/m);
    expect(stdout).toMatch(/^queue +packets +share +bytes +flows$/m);
    expect(stdout).toMatch(/^largest flows +packets +share +rss +round-robin$/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour without a terminal.
    expect(stdout).not.toMatch(/\x1b/);
  });

  it('writes one capture for each queue, with the packets and times of the input', async () => {
    const directory = file('divided');
    const { policies } = await json([path, '--policy', 'rss:queues=3', '--write', directory]);
    const names = readdirSync(directory).sort();
    expect(names).toEqual(['queue-0.pcap', 'queue-1.pcap', 'queue-2.pcap']);
    const all: files.Packet[] = [];
    for (const [id, name] of names.entries()) {
      const stream = await openCapture(join(directory, name));
      for await (const batch of stream) all.push(...files.packetsOf(batch));
      expect(stream.status.packets).toBe(policies[0]!.queues[id]!.packets);
    }
    const order = (list: readonly files.Packet[]) => [...list].sort((a, b) => a.nanoseconds - b.nanoseconds);
    expect(order(all)).toEqual(
      records.map(({ data, fraction }) => ({
        data: Buffer.from(data).toString('hex'),
        original: data.length,
        linkType: 1,
        seconds: 7,
        nanoseconds: fraction * 1000,
      })),
    );
  });

  it('writes a directory for each of several policies, workers where there are no queues', async () => {
    const directory = file('both');
    await json([path, '--policy', 'rss:queues=2', '--policy', 'rps:cpus=0-1', '--write', directory]);
    expect(readdirSync(directory).sort()).toEqual(['1-rss-queues-2', '2-rps-cpus-0-1']);
    expect(readdirSync(join(directory, '2-rps-cpus-0-1'))).toEqual(['worker-0.pcap', 'worker-1.pcap']);
  });

  const damaged = Buffer.from(bytes);
  // The length of the second packet.
  damaged.writeUInt32LE(0x7fffffff, 24 + 16 + records[0]!.data.length + 8);
  const absurd = Buffer.from(bytes);
  absurd.writeUInt32LE(0x7fffffff, 24 + 8);
  const cases: [string, Buffer, RegExp][] = [
    ['empty', Buffer.alloc(0), /: is empty$/],
    [
      'text',
      Buffer.from('once upon a time'),
      /: not a capture \(pcap or pcapng, possibly compressed by gzip or zstd, is permitted\)$/,
    ],
    ['header cut off', bytes.subarray(0, 20), /: is too short to be a capture$/],
    ['absurd length', absurd, /: impossible packet length 2147483647 at byte 24$/],
    [
      'unknown link type',
      files.pcap(records, { linkType: 127 }),
      /: link type 127 \(IEEE 802\.11 radiotap\) is not supported; permitted: .+$/,
    ],
  ];

  it.each(cases)(
    'refuses what cannot be read with one line and exit 2: %s',
    async (_name, content, message) => {
      const { code, stdout, stderr } = await here([
        'replay',
        file('wrong.pcap', content),
        '--policy',
        'rss',
        '--json',
      ]);
      expect(code).toBe(2);
      expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
      expect(stderr).toMatch(/^rxsteer: .*wrong\.pcap: /);
      expect(`rxsteer: ${JSON.parse(stdout).error}\n`).toBe(stderr);
      expect(JSON.parse(stdout).code).toBe('RXS_CAPTURE');
    },
  );

  it.each([
    ['cut off', bytes.subarray(0, 4000), /cut off after packet \d+$/],
    [
      'damaged',
      damaged,
      /impossible packet length 2147483647 at byte \d+, after packet 1; the rest is not read$/,
    ],
  ])('reads as far as it goes, with a warning: %s', async (_name, content, message) => {
    const { code, stdout, stderr } = await rxsteer([
      'replay',
      file('part.pcap', content),
      '--policy',
      'rss',
      '--json',
    ]);
    expect(code).toBe(0);
    const { capture } = JSON.parse(stdout) as ReplayResult;
    expect(capture.packets).toBeGreaterThan(0);
    expect(capture.packets).toBeLessThan(300);
    expect(capture.warnings[0]).toMatch(message);
    expect(stderr).toBe(capture.warnings.map((warning) => `rxsteer: warning: ${warning}\n`).join(''));
  });

  it.each([
    [
      ['--policy', 'rss', '--workers', '0'],
      /^rxsteer: --workers: "0" is not a whole number from 1 to 1024$/m,
    ],
    [['--policy', 'rss', '--speed', 'fast'], /^rxsteer: --speed: "fast" is not a number above 0/m],
    [['--policy', 'rss', '--gap', '0'], /^rxsteer: --gap: "0" is not a number above 0/m],
    [['--policy', 'rss', '--gap', '1', '--speed', '2'], /^rxsteer: --gap: replaces the clock/m],
    [['--policy', 'rss', '--model', 'x=1'], /^rxsteer: unknown key of --model "x"/m],
    [['--policy', 'rss', '--apps', 'x'], /^rxsteer: unknown --apps "x"/m],
    [['--policy', 'rsx'], /^rxsteer: unknown policy "rsx": did you mean rss/m],
    [
      ['--policy', 'rss:queues=300', '--write', '/tmp/x'],
      /^rxsteer: --write: 300 files for rss:queues=300; 256 at most$/m,
    ],
    [[], /^rxsteer: required option '--policy <policy>' not specified$/m],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await here(['replay', path, ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n').length).toBe(1);
  });

  it('names files that are not there, directories, and what cannot be written', async () => {
    const call = async (...args: string[]) => (await rxsteer(['replay', ...args, '--policy', 'rss'])).stderr;
    expect(await call(file('nowhere.pcap'))).toMatch(/nowhere\.pcap: no such file\n$/);
    mkdirSync(file('dir'));
    expect(await call(file('dir'))).toMatch(/dir: is a directory\n$/);
    expect(await call('-', '-')).toMatch(/standard input \(-\) is given twice/);
    expect(await call(path, '--write', join(path, 'below'))).toMatch(
      /part of the path is not a directory\n$/,
    );
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});
