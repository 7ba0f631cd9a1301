/** Opens AF_XDP ports on the main thread. Promise: see `PortOpener`. */
import { FLOOD_RATE } from '../../shared/flood-budget.js';
import { usableLink } from '../device/usable-link.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import type { XdpData } from './data.js';
import type { XdpPortSpec } from './kind.js';
import { refuseOthers } from './program.js';
import { XdpPort } from './xdp-port.js';

/** Descriptors of a worker's sender: its socket, and one to ask for carrier. */
const SENDER_DESCRIPTORS = 2;

function open(spec: XdpPortSpec, { native, devices, warn, workers }: OpenContext): OpenPort<XdpData> {
  const port = new XdpPort({ native: native!, spec, devices, warn }, workers);
  const { flood = FLOOD_RATE } = spec;
  return {
    live: port,
    parts: {
      ...{ rxQueues: port.queues * port.each, txQueues: 1, flood, finite: false, lends: port.lends },
      ...(port.steering === null
        ? {}
        : { programmed: { among: port.each, where: 'in XDP' }, gate: 'scatter' as const }),
      data: { words: port.words.buffer as SharedArrayBuffer, offload: true },
    },
    descriptors: (running) => port.queues * port.each + running * SENDER_DESCRIPTORS,
    close: () => port.close(),
  };
}

export const opener: PortOpener<XdpPortSpec, XdpPort> = {
  open,
  check: (spec, native) => refuseOthers(native!, spec, usableLink(spec, native!)),
  finish: XdpPort.finish,
};
