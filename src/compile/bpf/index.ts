/** The target `bpf`: a socket filter for AF_PACKET fanout, multi-queue TAPs and SO_REUSEPORT. */
import type { BackEnd } from '../back-end.js';
import { bpfProgram, emitBpf } from './emit.js';
import { pinProgram, tryProgram } from './load.js';

/** Policies whose program says the worker: they have no queues. */
const BY_WORKER = new Set(['single', 'rps', 'mac']);

export const bpf: BackEnd = {
  name: 'bpf',
  does: 'a program for AF_PACKET fanout, the queues of a TAP, SO_REUSEPORT',
  emit: emitBpf,
  check: async (request, _, packets) =>
    tryProgram(
      'bpf',
      request,
      bpfProgram(request),
      packets,
      BY_WORKER.has(request.spec.policy) ? 'workers' : 'queues',
    ),
  pin: (request, path) => pinProgram('bpf', bpfProgram(request), path),
};
