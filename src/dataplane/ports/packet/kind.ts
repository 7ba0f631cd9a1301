/**
 * The kind `af_packet`: a packet socket on an interface that others made.
 *
 * Promise: see `PortKind`.
 */

import { needQueues } from '../device/need-queues.js';
import { floodOption } from '../flood-option.js';
import {
  form,
  INTERFACE_QUEUES_MAX,
  interfaceClaim,
  interfaceName,
  type NamedPort,
  type PortKind,
} from '../kind.js';
import { choice, number, onOff } from '../options.js';
import type { TransmitPath } from './transmit-path.js';

const FANOUT_MODES = ['hash', 'policy', 'cpu', 'qm', 'lb', 'rnd'] as const;
export type FanoutMode = (typeof FANOUT_MODES)[number];

/** A packet socket on an interface. */
export interface PacketPortSpec extends NamedPort {
  readonly kind: 'af_packet';
  readonly interface: string;
  /** Receive queues: members of a PACKET_FANOUT group when more than one. */
  readonly queues: number;
  readonly fanout: FanoutMode;
  readonly offload: boolean;
  /** Transmit queues; 0 = as many as the device has. */
  readonly txQueues: number;
  /** Send past the device's queueing discipline whatever it is. */
  readonly bypass: boolean;
  /** Send plain frames through AF_XDP where the kernel and the device allow it. */
  readonly xsk: boolean;
  /** Slots of each receive ring. */
  readonly ring: number;
  /** Copies a second that floods from this port may cost; 0 = no limit, absent = the default. */
  readonly flood?: number;
}

/** What stands under `detail` in the summary of such a port. */
export interface PacketDetail {
  /** Its way out, see docs/forwarding.md. */
  transmit: TransmitPath;
  /** How often the number of its device's transmit queues was seen to change. */
  queueChanges: number;
  /**
   * Frames, at most, that went past queues which the port did not know of yet, and may have arrived behind later ones of
   * their flow.
   */
  mayBeLate: number;
}

export const packetKind: PortKind<PacketPortSpec, PacketDetail> = {
  name: 'af_packet',
  forms: [
    form({
      target: 'IFACE',
      targetIs: 'interface',
      does: 'an interface',
      options: {
        queues: number({
          ...{ least: 1, most: INTERFACE_QUEUES_MAX, fallback: 1 },
          does: 'receive queues: sockets of a PACKET_FANOUT group',
        }),
        fanout: choice(
          FANOUT_MODES,
          'hash',
          'how the kernel spreads frames over them: policy runs the forwarder’s own there; lb, rnd and cpu lose order',
        ),
        offload: onOff(true, 'super-frames and partial checksums pass as they are'),
        txqueues: number({
          ...{ least: 1, most: INTERFACE_QUEUES_MAX, fallback: 0, rare: true },
          does: "transmit queues; by default the device's",
        }),
        bypass: onOff(false, "send past the device's queueing discipline", true),
        xsk: onOff(true, 'send plain frames through an AF_XDP socket where the kernel lets us', true),
        ring: number({
          ...{ least: 64, most: 1 << 18, fallback: 8192, rare: true, unit: 'SLOTS' },
          does: 'slots of 2 KiB of each receive ring; where it is not given its share of `--receive-memory`, so many at most',
        }),
        flood: floodOption,
      },
      spec(target, { queues, fanout, offload, txqueues, bypass, xsk, ring, flood }, named, where) {
        if (fanout === 'policy') needQueues(where, 'fanout=policy', queues);
        return {
          ...named,
          kind: 'af_packet' as const,
          interface: interfaceName(where, target),
          ...{ queues, fanout, offload, txQueues: txqueues, bypass, xsk, ring },
          ...(flood === null ? {} : { flood }),
        };
      },
    }),
  ],
  needsAddon: true,
  capabilities: ['CAP_NET_RAW'],
  receives: () => true,
  sends: () => true,
  ends: () => false,
  claims: (spec) => [interfaceClaim(spec.interface)],
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
