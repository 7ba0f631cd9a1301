/**
 * The kind `tap`: a TAP device, made where it is absent.
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

/** A TAP device, made where it is absent. */
export interface TapPortSpec extends NamedPort {
  readonly kind: 'tap';
  readonly interface: string;
  readonly queues: number;
  /** How the kernel chooses among several queues. */
  readonly steer: 'flow' | 'policy';
  readonly offload: boolean;
  /** MTU to set; 0 = for a TAP made here that of the other interfaces, else as it is. */
  readonly mtu: number;
  /** Copies a second that floods from this port may cost; 0 = no limit, absent = the default. */
  readonly flood?: number;
}

export const tapKind: PortKind<TapPortSpec> = {
  name: 'tap',
  forms: [
    form({
      target: 'IFACE',
      targetIs: 'interface',
      does: 'a TAP, made if absent',
      options: {
        queues: number({
          ...{ least: 1, most: INTERFACE_QUEUES_MAX, fallback: 1 },
          does: 'queues, for receiving and for sending',
        }),
        steer: choice(
          ['flow', 'policy'],
          'flow',
          'how the kernel chooses a queue: by a hash of the flow, or by the forwarder’s own policy',
        ),
        offload: onOff(true, 'super-frames and partial checksums pass as they are'),
        mtu: number({
          ...{ least: 68, most: 65_535, fallback: 0, rare: true, unit: 'BYTES' },
          does: 'its MTU; by default one made here gets the smallest of the other interfaces',
        }),
        flood: floodOption,
      },
      spec(target, { queues, steer, offload, mtu, flood }, named, where) {
        if (steer === 'policy') needQueues(where, 'steer=policy', queues);
        return {
          ...named,
          kind: 'tap' as const,
          interface: interfaceName(where, target),
          ...{ queues, steer, offload, mtu },
          ...(flood === null ? {} : { flood }),
        };
      },
    }),
  ],
  needsAddon: true,
  capabilities: ['CAP_NET_ADMIN'],
  receives: () => true,
  sends: () => true,
  ends: () => false,
  claims: (spec) => [interfaceClaim(spec.interface)],
  open: new URL('./open.js', import.meta.url).href,
  attach: new URL('./attach.js', import.meta.url).href,
};
