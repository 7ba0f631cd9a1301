/**
 * The kind `af_xdp`: AF_XDP sockets on an interface that others made, with the frame pool as their memory.
 *
 * Promise: see `PortKind`.
 */
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

const MODES = ['auto', 'copy', 'zerocopy'] as const;

/** AF_XDP sockets on an interface. */
export interface XdpPortSpec extends NamedPort {
  readonly kind: 'af_xdp';
  readonly interface: string;
  /** Receive queues of the device; 0 = all that it has. */
  readonly queues: number;
  /** Who copies frames: the kernel, or nobody where the driver can do without. */
  readonly mode: (typeof MODES)[number];
  /** The program in front carries out the policy: each worker gets its own frames. */
  readonly steer: boolean;
  /** Microseconds of busy polling in the kernel; 0 = none. */
  readonly busyPollUs: number;
  /** Copies a second that floods from this port may cost; 0 = no limit, absent = the default. */
  readonly flood?: number;
}

/** What stands under `detail` in the summary of such a port. */
export interface XdpDetail {
  /** Where the program runs. */
  readonly xdp: 'driver' | 'generic';
  /** Why not in the driver; empty where it does. */
  readonly why: string;
  readonly mode: 'copy' | 'zerocopy';
  /** Receive queues that are served, and those that the device has. */
  readonly queues: number;
  readonly deviceQueues: number;
  /** The policy that the program in front carries out; null: none, each receive queue has one socket. */
  readonly steers: string | null;
  /** Frames are sent from where the kernel put them; else they are copied once. */
  readonly sendsInPlace: boolean;
  /** The kernel polls the device for the workers (`busy-poll`). */
  readonly busyPoll: boolean;
  /** Longest frame that can be received. */
  readonly longest: number;
  /** Slots of the frame pool that are in rings of the kernel. */
  readonly lent: number;
  /** Frames that came with a partial checksum. */
  readonly partialChecksums: number;
  /** Frames that the kernel dropped: no slot was there (or it was too long for one), the receive ring was full. */
  readonly dropped: number;
  readonly ringFull: number;
}

export const xdpKind: PortKind<XdpPortSpec, XdpDetail> = {
  name: 'af_xdp',
  forms: [
    form({
      target: 'IFACE',
      targetIs: 'interface',
      does: 'an interface, by AF_XDP',
      options: {
        queues: number({
          ...{ least: 1, most: INTERFACE_QUEUES_MAX, fallback: 0 },
          does: 'receive queues of the device, the first ones; by default all that it has',
        }),
        mode: choice(
          MODES,
          'auto',
          'whether the driver receives into the frame pool itself (`zerocopy`), or the kernel copies',
        ),
        steer: onOff(
          false,
          'the XDP program in front gives each frame to the worker that the policy wants: a NIC stage for any interface',
        ),
        'busy-poll': number({
          ...{ least: 0, most: 10_000, fallback: 0, rare: true, unit: 'USEC' },
          does: 'microseconds that the kernel polls the device for, inside the calls of a worker that finds nothing (SO_PREFER_BUSY_POLL); 0: not at all',
        }),
        flood: floodOption,
      },
      spec(target, { queues, mode, steer, flood, ...others }, named, where) {
        return {
          ...named,
          kind: 'af_xdp' as const,
          interface: interfaceName(where, target),
          ...{ queues, mode, steer, busyPollUs: others['busy-poll'] },
          ...(flood === null ? {} : { flood }),
        };
      },
    }),
  ],
  needsAddon: true,
  capabilities: ['CAP_NET_RAW', 'CAP_NET_ADMIN', 'CAP_BPF'],
  receives: () => true,
  sends: () => true,
  ends: () => false,
  claims: (spec) => [interfaceClaim(spec.interface)],
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
