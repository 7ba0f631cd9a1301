import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { captureFrames } from '#rxsteer/capture/frames.js';
import { CaptureWriter } from '#rxsteer/capture/writer.js';
import { UserError } from '#rxsteer/errors.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import type { Burst } from '#rxsteer/packet/burst.js';
import { Experiment, explain, steerFrames, toSteering } from '#rxsteer/policy/experiment.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { RfsSteering } from '#rxsteer/policy/rfs.js';
import { fullestOverFair, gini } from '#rxsteer/policy/spread.js';
import { policy, workersOf } from './support.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-experiment-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** 150 frames of 50 flows, of different lengths: more than two bursts. */
const frames = Array.from({ length: 150 }, (_, n) =>
  ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1000 + (n % 50), dport: 53 }, n))),
);

describe('steerFrames', () => {
  it('takes frames that come asynchronously: those of a capture', async () => {
    const path = join(directory, 'frames.pcap');
    const writer = CaptureWriter.create(path);
    for (const frame of frames) writer.write(frame, 0, frame.length, frame.length, 1, 0);
    writer.close();
    const spread = await steerFrames('rss:queues=8', captureFrames(path));
    expect(spread).toEqual(steerFrames('rss:queues=8', frames));
    expect(() => steerFrames('rss', 7 as unknown as Uint8Array[])).toThrow(TypeError);
    expect(() => steerFrames('rss', {} as unknown as Uint8Array[])).toThrow('frames: expected a list');
  });

  it('counts what the policy decides, burst by burst', () => {
    const spread = steerFrames('rss:queues=8', frames, { workers: 3 });
    const workers = [0, 0, 0];
    for (let at = 0; at < frames.length; at += 50) {
      for (const worker of workersOf(policy('rss:queues=8', { workers: 3 }), frames.slice(at, at + 50)))
        workers[worker]! += 1;
    }
    expect(spread.workers.map(({ packets }) => packets)).toEqual(workers);
    expect(spread.queues).toHaveLength(8);
    for (const of of [spread.workers, spread.queues]) {
      expect(of.reduce((sum, share) => sum + share.packets, 0)).toBe(150);
      expect(of.reduce((sum, share) => sum + share.bytes, 0)).toBe(spread.bytes);
      // Stateless: each flow is on one queue.
      expect(of.reduce((sum, share) => sum + share.flows, 0)).toBe(50);
    }
    expect(spread.bytes).toBe(frames.reduce((sum, frame) => sum + frame.length, 0));
    expect(spread).toMatchObject({ packets: 150, flows: 50, hashTypes: { 'udp-ipv4': 150 } });
    expect(spread.buckets.reduce((sum, packets) => sum + packets, 0)).toBe(150);
  });

  it('has no queues for policies without them, and idle workers count', () => {
    const spread = steerFrames('single', frames, { workers: 4 });
    expect(spread.queues.length).toBeLessThanOrEqual(1);
    expect(spread.workers.map(({ packets }) => packets)).toEqual([150, 0, 0, 0]);
    expect([spread.fullestOverFair, spread.gini]).toEqual([4, 0.75]);
    expect(steerFrames('rps:cpus=0-1', frames).queues).toEqual([]);
    expect(steerFrames('rss', [])).toMatchObject({ packets: 0, fullestOverFair: 0, gini: 0, buckets: [] });
  });

  it('takes every form of a policy, and flows as text', () => {
    const text = 'rss:nic=ixgbe-82599,queues=16,key=microsoft';
    const flow = 'tcp 66.9.149.187:2794 > 161.142.100.80:1766';
    for (const form of [
      text,
      { policy: 'rss', nic: 'ixgbe-82599', queues: 16, key: 'microsoft' },
      parsePolicy(text),
      toSteering(text),
    ]) {
      expect(steerFrames(form, [flow]).queues[8]).toMatchObject({ packets: 1, flows: 1 });
      expect(explain(form, flow)).toMatchObject({ bucket: 120, queue: 8, packet: { sport: 2794 } });
    }
    const own = steerFrames(() => ({ steer: ({ n, worker }) => void worker.fill(1, 0, n) }), [flow], {
      workers: 2,
    });
    expect(own.workers.map(({ packets }) => packets)).toEqual([0, 1]);
  });

  it('refuses what is no policy, no flow, too long, or decides what does not exist', () => {
    expect(() => steerFrames('rsss', [])).toThrow(UserError);
    expect(() => steerFrames('rss', ['tcp nonsense'])).toThrow(UserError);
    expect(() => steerFrames('rss', [new Uint8Array(262_145)])).toThrow('262144 are permitted');
    expect(() => steerFrames(() => ({}) as never, [])).toThrow('no object with steer(burst)');
    const wrong = (field: 'worker' | 'rxq' | 'bucket' | 'hashType', value: number) => {
      const own = () => ({ queues: 4, steer: (burst: Burst) => void burst[field].fill(value, 0, 1) });
      return () => steerFrames(own, frames, { workers: 2 });
    };
    expect(wrong('worker', 2)).toThrow('worker 2 does not exist; workers: 0 to 1');
    expect(wrong('worker', -1)).toThrow('worker -1 does not exist');
    expect(wrong('rxq', 4)).toThrow('queue 4 does not exist; queues: 0 to 3');
    expect(wrong('bucket', 2 ** 30)).toThrow('bucket 1073741824 does not exist');
    expect(wrong('hashType', 99)).toThrow('hash type 99 does not exist');
    expect(wrong('rxq', 3)).not.toThrow();
  });
});

describe('Experiment', () => {
  it('keeps the state of its policy, tells ports apart and shows its bursts', () => {
    const seen: [number, number][] = [];
    const experiment = new Experiment('rfs:cpus=0-1', {
      onBurst: (burst, steering) => {
        seen.push([burst.port, burst.n]);
        if (steering instanceof RfsSteering) for (let i = 0; i < burst.n; i++) steering.record(burst, i, 1);
      },
    });
    experiment.add(frames[0]!);
    experiment.add(frames[0]!);
    experiment.add(frames[0]!, 1);
    for (let n = 0; n < 70; n++) experiment.add(frames[0]!, 1);
    expect(experiment.spread().packets).toBe(73);
    expect(seen).toEqual([
      [0, 2],
      [1, 64],
      [1, 7],
    ]);
    // The application was seen on CPU 1, so all but the first burst went there.
    expect(experiment.spread().workers[1]!.packets).toBeGreaterThanOrEqual(71);
    expect(experiment.spread().packets).toBe(73);
  });

  it('steers large frames in smaller bursts', () => {
    const large = new Uint8Array(100_000);
    const sizes: number[] = [];
    const spread = steerFrames('single', [large, large, large], { onBurst: ({ n }) => sizes.push(n) });
    expect([sizes, spread.bytes]).toEqual([[2, 1], 300_000]);
  });
});

describe('captureFrames', () => {
  it('gives the frames of a file in order, each its own array', async () => {
    const path = join(directory, 'in.pcapng');
    const writer = CaptureWriter.create(path);
    for (const frame of frames) writer.write(frame, 0, frame.length, frame.length, 1, 0);
    writer.close();
    const read: Uint8Array[] = [];
    for await (const frame of captureFrames(path)) read.push(frame);
    expect(read.map((frame) => Buffer.from(frame).toString('hex'))).toEqual(
      frames.map((frame) => Buffer.from(frame).toString('hex')),
    );
    await expect(captureFrames(join(directory, 'none.pcap')).next()).rejects.toThrow('no such file');
  });
});

describe('measures of unevenness', () => {
  it('agree with their definitions', () => {
    const loads = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(loads, (values) => {
        const sum = values.reduce((a, b) => a + b, 0);
        let differences = 0;
        for (const a of values) for (const b of values) differences += Math.abs(a - b);
        expect(gini(values)).toBeCloseTo(sum === 0 ? 0 : differences / (2 * values.length * sum), 10);
        expect(fullestOverFair(values)).toBeCloseTo(
          sum === 0 ? 0 : Math.max(...values) / (sum / values.length),
          10,
        );
      }),
    );
    expect([gini([5, 5, 5]), gini([0, 0, 0, 8]), fullestOverFair([2, 0])]).toEqual([0, 0.75, 2]);
  });
});
