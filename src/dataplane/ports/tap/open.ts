/** Opens TAPs on the main thread. Promise: see `PortOpener`. */
import { FLOOD_RATE } from '../../shared/flood-budget.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import type { TapData } from './data.js';
import type { TapPortSpec } from './kind.js';
import { TapPort } from './tap-port.js';

function open(spec: TapPortSpec, { native, devices, warn }: OpenContext): OpenPort<TapData> {
  const port = new TapPort({ native: native!, spec, devices, warn });
  const { queues, offload, flood = FLOOD_RATE } = spec;
  return {
    live: port,
    parts: {
      ...{ rxQueues: queues, txQueues: queues, flood, finite: false },
      ...(port.steering === null
        ? {}
        : { programmed: { among: queues, where: 'in the kernel' }, gate: 'scatter' as const }),
      data: {
        fds: port.fds.buffer as SharedArrayBuffer,
        state: port.queueState,
        offload,
      },
    },
    descriptors: (workers) => queues + workers,
    close: () => port.close(),
  };
}

export const opener: PortOpener<TapPortSpec, TapPort> = { open, finish: TapPort.finish };
