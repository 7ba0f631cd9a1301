/**
 * The host as the checks see it: facts, two readings, the load between them.
 *
 * Promise: plain data; nothing is read any more once it is made.
 */
import type { EthtoolFacts } from './ask/ethtool-facts.js';
import type { NetdevFacts } from './ask/netdev.js';
import type { Fact, Unknown } from './fact.js';
import type { Load } from './load.js';
import type { Counters } from './read/counters.js';
import type { Cpus } from './read/cpus.js';
import type { SysDevice } from './read/devices.js';
import type { Guest } from './read/guests.js';
import type { DeviceIrq } from './read/irqs.js';
import type { Managers } from './read/managers.js';
import type { Pmd } from './read/ovs.js';
import type { Processes } from './read/processes.js';
import type { Sysctls } from './read/sysctls.js';

/** What a host is for: the guides of the field contradict each other where it is not said. */
export const ROLES = ['server', 'forwarder', 'vm-host', 'guest', 'sniffer'] as const;
export type Role = (typeof ROLES)[number];

/** A device with everything known of it. */
export interface Device extends Omit<SysDevice, 'driver'>, Omit<EthtoolFacts, 'driver'> {
  /** Null where there is none, or nobody tells. */
  readonly driver: string | null;
  readonly irqs: readonly DeviceIrq[];
}

/** A packet socket. */
export interface PacketSocket {
  readonly ifindex: number;
  readonly running: boolean;
}

/** Everything. */
export interface Host {
  readonly source: string;
  readonly isLive: boolean;
  /** True where what is not there was not there on the host: the running one, or one that the doctor collected. */
  readonly isWhole: boolean;
  /** `6.18.1`, or why not. */
  readonly kernel: Fact<string>;
  readonly cmdline: Fact<string>;
  /** The network namespace that was looked at: `net:[4026531840]`. */
  readonly namespace: Fact<string>;
  readonly cpus: Cpus;
  readonly devices: readonly Device[];
  /** Devices, or the list of them, that nobody could look at. */
  readonly unreadDevices: readonly { readonly subject: string; readonly fact: Unknown }[];
  /** Rows of /proc/interrupts that are the devices', or why nobody could look. */
  readonly interrupts: Fact<number>;
  readonly sysctls: Sysctls;
  readonly processes: Processes;
  readonly managers: Managers;
  readonly guests: readonly Guest[];
  readonly pmds: Fact<readonly Pmd[]>;
  readonly netdev: Fact<NetdevFacts>;
  /** TCP and UDP sockets in use. */
  readonly sockets: Fact<number>;
  readonly packetSockets: Fact<readonly PacketSocket[]>;
  /** A hypervisor below, by what the firmware or the drivers say. */
  readonly virtualMachine: boolean;
  readonly counters: Counters;
  readonly load: Fact<Load>;
  readonly role: Role;
  readonly roleWhy: string;
}
