/**
 * Opens AF_PACKET ports on the main thread.
 *
 * Promise: see `PortOpener`. All ports of the kind share what the kernel may hold for them (`receive-memory.ts`).
 */
import { FLOOD_RATE } from '../../shared/flood-budget.js';
import { usableLink } from '../device/usable-link.js';
import type { AnyPortSpec } from '../kind.js';
import type { OpenContext, OpenPort, PortOpener } from '../opener.js';
import { makeState } from '../state.js';
import type { PacketData } from './data.js';
import type { PacketPortSpec } from './kind.js';
import { PacketPort } from './packet-port.js';
import { type ReceiveShare, receiveShare } from './receive-memory.js';

/** Descriptors of a worker's sender at most: its sockets with and without bypass, AF_XDP, and the fallback. */
const SENDER_DESCRIPTORS = 4;

function shareOf(specs: readonly AnyPortSpec[], mib: number): ReceiveShare {
  const ours = specs.filter((spec): spec is PacketPortSpec => spec.kind === 'af_packet');
  return receiveShare(
    mib,
    ours.reduce((sum, { queues }) => sum + queues, 0),
  );
}

function open(
  spec: PacketPortSpec,
  { native, devices, warn, specs, receiveMib }: OpenContext,
): OpenPort<PacketData> {
  const port = new PacketPort({ native: native!, spec, devices, warn }, shareOf(specs, receiveMib));
  const { queues, offload, flood = FLOOD_RATE } = spec;
  const { staging, txQueues } = port;
  return {
    live: port,
    parts: {
      ...{ rxQueues: queues, txQueues, flood, finite: false },
      ...(port.steering === null
        ? {}
        : { programmed: { among: queues, where: 'in the kernel' }, gate: 'scatter' as const }),
      data: {
        words: port.words.buffer as SharedArrayBuffer,
        state: makeState(queues),
        offload,
        staging,
      },
    },
    descriptors: (workers) => queues + workers * SENDER_DESCRIPTORS,
    close: () => port.close(),
  };
}

export const opener: PortOpener<PacketPortSpec, PacketPort> = {
  open,
  check: (spec, native) => void usableLink(spec, native!),
  settle(ports, receiveMib) {
    const share = shareOf(
      ports.map(({ spec }) => spec),
      receiveMib,
    );
    for (const port of ports) port.shareReceive(share);
  },
  finish: PacketPort.finish,
};
