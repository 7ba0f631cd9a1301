// What hashes bursts: chosen by the policy, offered by the data plane.
import { describe, expect, it } from 'vitest';
import { nativeHashKernels } from '#rxsteer/addon/hash-kernels.js';
import { loadNative } from '#rxsteer/addon/native.js';
import { chooseKernels, type HashKernels } from '#rxsteer/hash/kernel.js';
import { ethernet, ipv4, ipv6, tcp } from '#rxsteer/packet/build.js';
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { burstOf, policy } from './support.js';

const missing = 'the native addon is not built';
const native = loadNative() !== null;

/** Kernels that count the bursts given to them and hash nothing: every frame is left to the caller. */
function counting(leastFrames: number): HashKernels & { readonly bursts: number[] } {
  const bursts: number[] = [];
  return {
    name: 'counting',
    leastFrames,
    bursts,
    bind: () => {
      const control = new Int32Array(2 + BURST_MAX);
      const run = () => {
        bursts.push(control[0]!);
        control[1] = control[0]!;
        for (let i = 0; i < control[0]!; i++) control[2 + i] = i;
      };
      return { control, run };
    },
  };
}

const frames = (n: number) =>
  Array.from({ length: n }, (_, i) =>
    i % 3 === 2
      ? ethernet({}, ipv6({ src: '2001:db8::1', dst: `2001:db8::${i}` }, tcp({ sport: i, dport: 80 })))
      : ethernet({}, ipv4({ src: '10.0.0.1', dst: `10.0.0.${i}` }, tcp({ sport: i, dport: 80 }))),
  );

describe('the implementation of a policy', () => {
  it.each(['rss', 'rps:cpus=0-3,hash=toeplitz', 'rfs:cpus=0-3,hash=toeplitz'])(
    '%s: auto, table and native decide alike',
    (text) => {
      const decide = (implementation: string) => {
        const comma = text.includes(':') ? ',' : ':';
        const burst = burstOf(frames(BURST_MAX));
        const kernels = nativeHashKernels();
        policy(`${text}${comma}implementation=${implementation}`, { workers: 4, kernels }).steer(burst);
        return [Array.from(burst.hash), Array.from(burst.hashType), Array.from(burst.worker)];
      };
      expect(decide('auto')).toEqual(decide('table'));
      if (native) expect(decide('native')).toEqual(decide('table'));
    },
  );

  it('auto calls a kernel where the burst is large enough, native always, table never', () => {
    const calls = (text: string) => {
      const kernels = counting(8);
      const steering = policy(text, { workers: 4, kernels });
      for (const n of [1, 7, 8, 64]) steering.steer(burstOf(frames(n)));
      return kernels.bursts;
    };
    expect(calls('rss')).toEqual([8, 64]);
    expect(calls('rss:implementation=auto')).toEqual([8, 64]);
    expect(calls('rss:implementation=native')).toEqual([1, 7, 8, 64]);
    expect(calls('rss:implementation=table')).toEqual([]);
    expect(calls('rps:cpus=0,hash=toeplitz,implementation=native')).toEqual([1, 7, 8, 64]);
    expect(calls('rps:cpus=0')).toEqual([]);
  });

  it('frames that a kernel leaves are hashed by the tables', () => {
    const kernels = counting(1);
    const [left, tables] = [burstOf(frames(9)), burstOf(frames(9))];
    policy('rss', { workers: 4, kernels }).steer(left);
    policy('rss', { workers: 4 }).steer(tables);
    expect(left.words).toEqual(tables.words);
    expect(kernels.bursts).toEqual([9]);
  });

  it('native is refused where there is no native code, in one line', () => {
    const compile = (text: string) => () => policy(text, { workers: 4, kernels: missing });
    expect(compile('rss:implementation=native')).toThrow(
      'policy rss: implementation: native: the native addon is not built; auto and table work without it',
    );
    expect(compile('rss:implementation=auto')).not.toThrow();
    expect(compile('rss')).not.toThrow();
    expect(compile('rps:cpus=0-3,implementation=native')).toThrow('native: goes with hash=toeplitz');
    expect(compile('rss:nic=ena,function=crc32,implementation=native')).toThrow(
      'goes with function=toeplitz',
    );
    const rules = 'rss:queues=4,rules=flow-type tcp4 action 1,implementation=native';
    expect(() => policy(rules, { workers: 4, kernels: counting(8) })).toThrow(
      'native: does not go with filters, rules or contexts',
    );
    expect(() => parsePolicy('rss:implementation=simd')).toThrow('expected one of auto, table, native');
    // Nobody looked: what reads policies only accepts it.
    expect(chooseKernels('native', undefined, 'here')).toBeNull();
  });

  it('is filled in from outside where the policy does not say', () => {
    const filled = (text: string, implementation: 'native' | 'table' | 'auto') =>
      (parsePolicy(text, { implementation }) as { implementation?: string }).implementation;
    expect(filled('rss', 'native')).toBe('native');
    expect(filled('rss:implementation=table', 'native')).toBe('table');
    expect(filled('rss', 'auto')).toBeUndefined();
    expect(filled('mac', 'table')).toBeUndefined();
    expect(() => filled('mac', 'native')).toThrow(
      'policy mac: implementation: native: goes with rss, rps, rfs',
    );
  });
});
