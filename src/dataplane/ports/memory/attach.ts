/** A worker's sources and sinks in memory. Promise: see `PortAttacher`. */
import { compilePolicy } from '../../../policy/compile.js';
import type { EnginePlan } from '../../shared/plan.js';
import type { PortInfo } from '../../shared/port-info.js';
import type { PortAttacher } from '../attacher.js';
import { stateOf } from '../state.js';
import type { MemoryData } from './data.js';
import { divideSource, placeBySteering, placeInTurn, type SourcePart } from './mix.js';
import { NativeMemorySource } from './native-source.js';
import type { MemorySourceOptions } from './options.js';
import { memoryPractice } from './practice.js';
import { GuestSink, LatencySink, MemorySink } from './sink.js';
import { MemorySource } from './source.js';
import { flowFrames } from './templates.js';

/** The flows of queue `q` of a source; with stage=nic the source is the NIC that places them. */
function sourcePart(
  plan: EnginePlan,
  { index }: PortInfo,
  options: MemorySourceOptions,
  q: number,
): SourcePart {
  if (plan.policy.stage !== 'nic' || options.queues === 1) {
    return divideSource(options, placeInTurn(options))[q]!;
  }
  const { active: workers, ports } = plan;
  const steering = compilePolicy(plan.policy, { workers, ports, faults: 'count' });
  const frameOf = flowFrames(options, index);
  return divideSource(options, placeBySteering(options, index, steering, frameOf))[q]!;
}

export const attacher: PortAttacher<MemoryData> = {
  practice: memoryPractice,

  receiver({ plan, pool, worker, native, clock }, port, queue, arrays) {
    const { source, state: words } = port.data;
    if (source === null) return null;
    const state = stateOf(words, queue);
    const part = sourcePart(plan, port, source, queue);
    return native === null
      ? new MemorySource(source, port.index, pool, worker, arrays, state, clock, part)
      : new NativeMemorySource(native, source, port.index, pool, worker, arrays, state, part);
  },

  sender({ pool, worker, clock }, { data: { latency, guest }, txQueues }) {
    const plain = guest === null ? new MemorySink() : new GuestSink(pool.bytes, guest, worker % txQueues);
    return latency === null ? plain : new LatencySink(plain, pool.bytes, latency, worker, clock);
  },
};
