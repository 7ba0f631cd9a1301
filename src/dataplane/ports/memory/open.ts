/** Opens memory ports: shared memory only. Promise: see `PortOpener`. */
import { latencyBytes } from '../../memory/latency.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import { makeState } from '../state.js';
import type { MemoryData } from './data.js';
import type { MemoryPortSpec } from './kind.js';
import { guestQueueBytes } from './sink.js';

function open(spec: MemoryPortSpec, { workers }: OpenContext): OpenPort<MemoryData> {
  const { source } = spec;
  const close = () => {};
  if (source !== null) {
    const rxQueues = source.queues;
    const data = { source, state: makeState(rxQueues), latency: null, guest: null };
    return { parts: { rxQueues, txQueues: 0, finite: source.packets > 0, data }, close };
  }
  const txQueues = spec.txQueues > 0 ? spec.txQueues : workers;
  const data = {
    source,
    state: makeState(0),
    latency: spec.latency ? new SharedArrayBuffer(latencyBytes(workers)) : null,
    guest: spec.copy ? new SharedArrayBuffer(guestQueueBytes(txQueues)) : null,
  };
  return { parts: { rxQueues: 0, txQueues, finite: false, data }, close };
}

export const opener: PortOpener<MemoryPortSpec> = { open };
