/** Opens vhost-user ports on the main thread. Promise: see `PortOpener`. */
import { randomBytes } from 'node:crypto';
import { FLOOD_RATE } from '../../shared/flood-budget.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import type { VhostData } from './data.js';
import type { VhostUserPortSpec } from './kind.js';
import { FLOW_BUCKETS } from './ring-choice.js';
import { VhostUserPort } from './vhost-port.js';

function open(spec: VhostUserPortSpec, { native, workers, warn }: OpenContext): OpenPort<VhostData> {
  const port = new VhostUserPort(native!, spec, warn);
  const { queues, offload, guestQueue, flood = FLOOD_RATE } = spec;
  // A worker that may send to any ring takes the ring's own lock; where there is one, that of the queue.
  const txQueues = queues > 1 ? Math.max(queues, workers) : queues;
  return {
    live: port,
    parts: {
      // One poller of all that the guest sends: native/vhost/backend.h.
      ...{ rxQueues: 1, txQueues, flood, finite: false },
      data: {
        backend: port.backend.number,
        event: port.backend.event,
        enabled: port.enabled,
        readers: port.readersOn,
        flows: new SharedArrayBuffer(2 * FLOW_BUCKETS * Int32Array.BYTES_PER_ELEMENT),
        learned: new SharedArrayBuffer(FLOW_BUCKETS * Int32Array.BYTES_PER_ELEMENT),
        ...{ pairs: queues, guestQueue, offload },
        key: new Uint8Array(randomBytes(16)),
      },
    },
    // The guest's own four for each pair; what waits for kicks, what tells of trouble, two sockets.
    descriptors: () => queues * 4 + 4,
    close: () => port.close(),
  };
}

export const opener: PortOpener<VhostUserPortSpec, VhostUserPort> = { open };
