/**
 * The acceptance list of DPDK's distributor test, for policies: a tag is a flow, and frames with one tag belong to
 * one worker. (That a worker which ends in mid-run loses nothing is tested with the engine.)
 */
import { describe, expect, it } from 'vitest';
import { inputsForHash } from '#rxsteer/hash/key-tools.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { ethernet, ipv4, tcp } from '#rxsteer/packet/build.js';
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import type { RfsSteering } from '#rxsteer/policy/rfs.js';
import { burstOf, policy, workersOf } from './support.js';

const WORKERS = 4;
const key = namedKey('microsoft');

/** A frame whose tag is the source port. */
const tagged = (tag: number) =>
  ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, tcp({ sport: tag, dport: 80 })));

/** A source port that RSS (128 entries, i mod 4) sends to a worker: by linear algebra, not by search. */
function tagFor(worker: number): number {
  const base = Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 80);
  const bits = Array.from({ length: 16 }, (_, i) => 64 + i);
  const [input] = inputsForHash(key, base, bits, worker, 7);
  return (input![8]! << 8) | input![9]!;
}

const given = ['rss:queues=4,key=microsoft', 'rps:cpus=0-3', 'rps:cpus=0-3,hash=toeplitz', 'rfs:cpus=0-3'];

describe.each(given)('%s', (text) => {
  const steering = () => policy(text, { workers: WORKERS });

  it('32 frames with one tag: all to one worker', () => {
    expect(
      new Set(
        workersOf(
          steering(),
          Array.from({ length: 32 }, () => tagged(7)),
        ),
      ).size,
    ).toBe(1);
  });

  it('two tags in turn: each keeps its worker', () => {
    const workers = workersOf(
      steering(),
      Array.from({ length: 32 }, (_, n) => tagged(n % 2)),
    );
    expect(new Set(workers.filter((_, n) => n % 2 === 0)).size).toBe(1);
    expect(new Set(workers.filter((_, n) => n % 2 === 1)).size).toBe(1);
  });

  it('32 different tags: each frame to some worker, and all workers used', () => {
    const workers = workersOf(
      steering(),
      Array.from({ length: 32 }, (_, n) => tagged(1000 + n)),
    );
    expect(workers).toHaveLength(32);
    expect(new Set(workers)).toEqual(new Set([0, 1, 2, 3]));
  });

  it('1024 frames in bursts: every one has a worker, the same tag the same one in every burst', () => {
    const one = steering();
    const seen = new Map<number, Set<number>>();
    for (let first = 0; first < 1024; first += BURST_MAX) {
      const tags = Array.from({ length: BURST_MAX }, (_, n) => (first + 7 * n) % 50);
      workersOf(one, tags.map(tagged)).forEach((worker, n) => {
        seen.set(tags[n]!, (seen.get(tags[n]!) ?? new Set()).add(worker));
      });
    }
    expect(seen.size).toBe(50);
    for (const workers of seen.values()) expect(workers.size).toBe(1);
  });
});

describe('the marked test', () => {
  const tags = (one: number, two: number) =>
    [...new Array(12).fill(one), ...new Array(8).fill(two), ...new Array(4).fill(one)] as number[];

  it('24 frames, tags 1 x 12, 2 x 8, 1 x 4: one worker has 0-11 and 20-23, another 12-19', () => {
    const steering = policy('rss:queues=4,key=microsoft', { workers: WORKERS });
    for (const [a, b] of [
      [0, 1],
      [3, 2],
      [1, 3],
    ] as const) {
      const workers = workersOf(steering, tags(tagFor(a), tagFor(b)).map(tagged));
      expect(workers).toEqual([...new Array(12).fill(a), ...new Array(8).fill(b), ...new Array(4).fill(a)]);
    }
  });

  it('a tag in flight stays with its worker, however its application moves; then it moves at once', () => {
    const steering = policy('rfs:cpus=0-3', { workers: WORKERS, command: 'forward' }) as RfsSteering;
    const heads = new Int32Array(WORKERS);
    const tails = new Int32Array(WORKERS);
    steering.attach(heads, tails);
    const first = burstOf(Array.from({ length: 12 }, () => tagged(7)));
    steering.steer(first);
    const old = first.worker[0]!;
    const next = (old + 1) % WORKERS;
    steering.record(first, 0, old);
    steering.steer(first);
    steering.record(first, 0, next);
    const held = burstOf(Array.from({ length: 4 }, () => tagged(7)));
    steering.steer(held);
    expect(Array.from(held.worker.subarray(0, 4))).toEqual([old, old, old, old]);
    heads[old] = tails[old]!;
    steering.steer(held);
    expect(Array.from(held.worker.subarray(0, 4))).toEqual([next, next, next, next]);
  });

  it('where nobody counts backlogs every frame is finished at once, and a tag moves with its application', () => {
    const steering = policy('rfs:cpus=0-3', { workers: WORKERS, command: 'forward' }) as RfsSteering;
    const burst = burstOf([tagged(7)]);
    steering.steer(burst);
    const old = burst.worker[0]!;
    for (const cpu of [old, (old + 1) % WORKERS, (old + 2) % WORKERS]) {
      steering.record(burst, 0, cpu);
      steering.steer(burst);
      expect(burst.worker[0]).toBe(cpu);
    }
  });
});
