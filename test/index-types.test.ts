/**
 * Types of the main calls, as a program of a user's sees them. The compiler is the judge: the last test runs it on
 * this file, because Vitest strips types without looking at them.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  type AnyPolicy,
  type Burst,
  captureFrames,
  compilePolicy,
  type Decision,
  Experiment,
  type Explanation,
  effectiveBits,
  explain,
  FanoutGroup,
  type HashTypeName,
  IndirectionTable,
  type NicProfile,
  nicProfile,
  type PolicySpec,
  type PortSpec,
  parsePolicy,
  parsePort,
  type RssSpec,
  type Spread,
  type Steering,
  steerFrames,
  type UserPolicyFactory,
} from 'rxsteer';
import { describe, expect, expectTypeOf, it } from 'vitest';

const byLength: UserPolicyFactory = ({ workers }) => ({
  steer(burst) {
    for (let i = 0; i < burst.n; i++) burst.worker[i] = burst.len[i]! % workers;
  },
});

describe('types of the main calls', () => {
  it('policies', () => {
    const spec = parsePolicy('rss:queues=4');
    expectTypeOf(spec).toEqualTypeOf<PolicySpec>();
    if (spec.policy === 'rss') {
      expectTypeOf(spec).toEqualTypeOf<RssSpec>();
      expectTypeOf(spec.queues).toEqualTypeOf<number | undefined>();
      expectTypeOf(spec.order).toEqualTypeOf<'strict' | 'linux' | 'none'>();
    }
    const steering = compilePolicy(spec, { workers: 2 });
    expectTypeOf(steering).toEqualTypeOf<Steering>();
    expectTypeOf(steering.steer).parameters.toEqualTypeOf<[burst: Burst]>();
    expectTypeOf(steering.decision).returns.toEqualTypeOf<Decision>();
    // @ts-expect-error a number is no policy
    expect(() => parsePolicy(4)).toThrow();
    // @ts-expect-error workers is a number
    expect(() => compilePolicy(spec, { workers: '2' })).toThrow();
  });

  it('experiments', () => {
    for (const policy of ['rss', { policy: 'single' }, byLength, parsePolicy('rss')] satisfies AnyPolicy[]) {
      expectTypeOf(steerFrames(policy, [new Uint8Array(60)])).toEqualTypeOf<Spread>();
    }
    const spread = new Experiment(byLength, { workers: 2, onBurst: (burst) => void burst.n }).spread();
    expectTypeOf(spread.hashTypes).toEqualTypeOf<Partial<Record<HashTypeName, number>>>();
    expectTypeOf(explain('rss', 'tcp 192.0.2.1:1 > 192.0.2.2:2')).toEqualTypeOf<Explanation>();
    expectTypeOf<Explanation['queue']>().toEqualTypeOf<number | null>();
    expectTypeOf(captureFrames).returns.toExtend<AsyncIterable<Uint8Array>>();
    // @ts-expect-error frames are bytes or flow text
    expect(() => steerFrames('rss', [1])).toThrow('expected an Ethernet frame');
  });

  it('models', () => {
    expectTypeOf(nicProfile('generic')).toEqualTypeOf<NicProfile>();
    expectTypeOf(new IndirectionTable(128, 4).entries).toExtend<Int32Array>();
    expectTypeOf(effectiveBits).toEqualTypeOf<
      (key: Uint8Array, bits: readonly number[], lowBits?: number) => number
    >();
    expectTypeOf<FanoutGroup<string>['members'][number]['id']>().toEqualTypeOf<string>();
    // @ts-expect-error there is no such mode
    expect(() => new FanoutGroup({ mode: 'best' })).toThrow();
    expectTypeOf(parsePort('a=memory:sink')).toEqualTypeOf<PortSpec>();
  });

  it('hold for the compiler', async () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    const flags = '--noEmit --strict --exactOptionalPropertyTypes --target es2023 --lib es2023 --types node';
    const kinds =
      '--module nodenext --moduleResolution nodenext --verbatimModuleSyntax --skipLibCheck --ignoreConfig';
    const args = ['node_modules/typescript/bin/tsc', ...flags.split(' '), ...kinds.split(' ')];
    const result = await promisify(execFile)(process.execPath, [...args, 'test/index-types.test.ts'], {
      cwd: root,
    }).catch((error: { stdout: string; stderr: string }) => error);
    expect(`${result.stdout}${result.stderr}`).toBe('');
  }, 120_000);
});
