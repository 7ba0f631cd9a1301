/**
 * What a back end of `rxsteer compile` is: from a policy to the commands of one system, and back.
 *
 * Promise: `emit` and `parse` are pure. What a target holds only in part is said (`cannot`), with the reason; what it
 * cannot hold at all is `Inexpressible`. Commands stand in the order that works; `undo` takes them back, in reverse
 * order, to what was read. Nothing is run but by `check` and `apply`, and `check` leaves the host as it is.
 */
import type { Device, Host } from '../host/host.js';
import type { PolicySpec } from '../policy/spec.js';
import type { Steering } from '../policy/steering.js';

/** The targets, in the order in which they are listed. */
export const TARGETS = ['sysfs', 'bpf', 'ethtool', 'libvirt', 'ovs', 'xdp', 'tc', 'testpmd'] as const;
export type Target = (typeof TARGETS)[number];

/** Where a policy is to be put. */
export interface Place {
  /** Name of the device; null: `$DEV` stands for it, and nothing of it is known. */
  readonly device: string | null;
  /** What was read of the host; null where no device was named. */
  readonly host: Host | null;
  /** The device as it is now. */
  readonly now: Device | null;
}

/** A policy that is to be compiled. */
export interface Request extends Place {
  readonly spec: PolicySpec;
  /** The policy, compiled for its number of workers. */
  readonly steering: Steering;
}

/** Something that the target does not do as the policy says. */
export interface Cannot {
  /** What of the policy. */
  readonly what: string;
  readonly why: string;
}

/** A policy in the words of a target. */
export interface Compiled {
  readonly target: Target;
  /** In the order that works. Lines that begin with `#` are for people. */
  readonly commands: readonly string[];
  readonly undo: readonly string[];
  readonly cannot: readonly Cannot[];
  /** What the commands alone do not hold: a file's text, a program. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What a check came to. */
export interface Check {
  /** Packets that were tried, or settings that were read back (`what`). */
  readonly packets: number;
  readonly agree: number;
  /** How it was checked, one line. */
  readonly how: string;
  /** The first that do not agree, one line each. */
  readonly differ: readonly string[];
}

/** A target. */
export interface BackEnd {
  readonly name: Target;
  /** What it sets, in a few words. */
  readonly does: string;
  /** @throws Inexpressible */
  emit(request: Request): Compiled;
  /** The policy that commands stand for, as an object for `parsePolicy`. @throws UserError */
  parse?(commands: readonly string[]): Record<string, unknown>;
  /** Holds the target against the policy. @throws Error with a code where the tools or rights are missing */
  check?(request: Request, compiled: Compiled, packets: number): Promise<Check>;
  /** Loads the program and gives it a name in a bpf file system; gives the names. @throws Error with the kernel's reason */
  pin?(request: Request, path: string): string[];
  /** True where `--apply` may run the commands. */
  readonly applies?: boolean;
}

/** The target cannot do what the policy says, in no part (exit code 1 of the command line). */
export class Inexpressible extends Error {
  override readonly name = 'Inexpressible';
  readonly code = 'RXS_INEXPRESSIBLE';

  constructor(target: Target, spec: PolicySpec, why: string) {
    super(`policy ${spec.text}: ${target} cannot express it: ${why}`);
  }
}

/** What a check needs and this machine has not. */
export class Uncheckable extends Error {
  override readonly name = 'Uncheckable';
  readonly code = 'RXS_UNCHECKABLE';

  constructor(target: Target, why: string) {
    super(`--check: ${target}: ${why}`);
  }
}

/** The device's name for a command. */
export function deviceOf({ device }: Place): string {
  return device ?? '$DEV';
}

/** What stands in `undo` where nothing was read. */
export const UNDO_UNKNOWN = '# what is set now was not read: give --dev DEV';
