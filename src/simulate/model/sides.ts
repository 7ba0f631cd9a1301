/** The parts of a host that others are built upon. */
import type { Step } from '../machine/step.js';
import type { Host } from './host.js';
import type { Nic } from './nic.js';
import type { PolicySteerer, Steerer, SysfsSteerer } from './steering.js';

/** A host with its NICs. */
export interface HostSide {
  readonly host: Host;
  readonly nics: Map<string, NicSide>;
}

/** A NIC with the steering behind it. */
export interface NicSide {
  readonly nic: Nic;
  readonly policy: PolicySteerer | null;
  readonly sysfs: SysfsSteerer | null;
  readonly steerers: readonly Steerer[];
  /** Steps from its driver on, up to the protocol. */
  readonly receiveSteps: () => Step[];
  readonly transmitSteps: () => Step[];
  readonly isFull: () => boolean;
  readonly waitForRoom: (wake: () => void) => void;
}
