/**
 * Types of the main calls, as a program of a user's sees them: compiled against the packed file (`package.test.ts`), and
 * never run.
 */
import { expectTypeOf } from 'expect-type';
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

const byLength: UserPolicyFactory = ({ workers }) => ({
  steer(burst) {
    for (let i = 0; i < burst.n; i++) burst.worker[i] = burst.len[i]! % workers;
  },
});

export function policies(): void {
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
  parsePolicy(4);
  // @ts-expect-error workers is a number
  compilePolicy(spec, { workers: '2' });
}

export function experiments(): void {
  for (const policy of ['rss', { policy: 'single' }, byLength, parsePolicy('rss')] satisfies AnyPolicy[]) {
    expectTypeOf(steerFrames(policy, [new Uint8Array(60)])).toEqualTypeOf<Spread>();
  }
  const spread = new Experiment(byLength, { workers: 2, onBurst: (burst) => void burst.n }).spread();
  expectTypeOf(spread.hashTypes).toEqualTypeOf<Partial<Record<HashTypeName, number>>>();
  expectTypeOf(explain('rss', 'tcp 192.0.2.1:1 > 192.0.2.2:2')).toEqualTypeOf<Explanation>();
  expectTypeOf<Explanation['queue']>().toEqualTypeOf<number | null>();
  expectTypeOf(captureFrames).returns.toExtend<AsyncIterable<Uint8Array>>();
  // @ts-expect-error frames are bytes or flow text
  steerFrames('rss', [1]);
}

export function models(): void {
  expectTypeOf(nicProfile('generic')).toEqualTypeOf<NicProfile>();
  expectTypeOf(new IndirectionTable(128, 4).entries).toExtend<Int32Array>();
  expectTypeOf(effectiveBits).toEqualTypeOf<
    (key: Uint8Array, bits: readonly number[], lowBits?: number) => number
  >();
  expectTypeOf<FanoutGroup<string>['members'][number]['id']>().toEqualTypeOf<string>();
  // @ts-expect-error there is no such mode
  new FanoutGroup({ mode: 'best' });
  expectTypeOf(parsePort('a=memory:sink')).toEqualTypeOf<PortSpec>();
}
