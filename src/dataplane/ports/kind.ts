/**
 * What a kind of ports is: its name, how its ports are written, what is known of one before it is opened, and where its
 * code is.
 *
 * Promise: data and pure functions. Whoever only wants to know what ports there are (the parser, help, documents) loads
 * nothing else: `open` and `attach` name modules that the main thread and the workers load when an engine starts. So the
 * two sides of a kind share what `PortInfo.data` holds, and no code that either does not need.
 *
 * To add a kind: a folder, and a line in `kinds.ts`. See docs/design.md, "Ports".
 */
import type { CapabilityName } from '../../addon/privileges.js';
import { UserError } from '../../errors.js';
import type { SourceRules } from '../../mac/source-rules.js';
import type { OptionValues, PortOptions } from './options.js';

/**
 * What consumes the frames that a port sends: a worker by its number, a task that the scheduler places, or the virtual CPUs
 * of the guest that is connected, whoever that is.
 */
export type Consumer =
  | { readonly kind: 'cpu'; readonly worker: number }
  | { readonly kind: 'follow'; readonly task: number }
  | { readonly kind: 'guest' };

/** What every port has, of whatever kind. */
export interface NamedPort {
  readonly name: string;
  /** The text it was parsed from. */
  readonly text: string;
  /** `mac=` and `ip=`: the addresses that the guest or host behind the port may use; absent = any. */
  readonly sources?: SourceRules;
  /** `cpu=N`, `follow=PID`, `follow=guest`: whom policies that follow consumers follow; null = nobody. */
  readonly consumer: Consumer | null;
}

/** A port as it was asked for. Each kind adds what its options say. */
export interface AnyPortSpec extends NamedPort {
  readonly kind: string;
}

/** One way of writing a port of a kind: what may stand behind the colon, and the options that belong to it. */
export interface PortForm<S extends AnyPortSpec = AnyPortSpec> {
  /** A word that stands there as it is (`sink`), or in capitals what is to be put there (`IFACE`). */
  readonly target: string;
  /** What is to be put there, where names of it are known. */
  readonly targetIs?: 'interface' | 'file';
  /** What such a port is, in few words, for `--help`. */
  readonly does: string;
  readonly options: PortOptions;
  /** @throws UserError for a target that cannot be one; `where` begins its message */
  spec(target: string, values: Record<string, unknown>, named: NamedPort, where: string): S;
}

/** Something outside the program that a port takes: an interface, a file. */
export interface Claim {
  /** What it is: two ports with the same key want the same. */
  readonly key: string;
  /** For people: `interface eth0`. */
  readonly text: string;
  /** Others may have it too, if they say the same. */
  readonly shared: boolean;
}

/** Files by name. */
export interface PortFiles {
  readonly read: readonly string[];
  readonly written: readonly string[];
}

/** @typeParam D what stands under `detail` in the summary of its ports; none: nothing does */
export interface PortKind<S extends AnyPortSpec = AnyPortSpec, D = never> {
  /** As it stands before the colon: small letters, digits, `_` and `-`. */
  readonly name: string;
  readonly forms: readonly PortForm<S>[];
  /** Its ports are opened and attached to with the addon. */
  readonly needsAddon: boolean;
  /** Its ports know the threads of the guest behind them (`LivePort.readers`): `follow=guest`. */
  readonly knowsGuest?: true;
  /** What opening one takes; empty: anybody may, also after `--drop`. */
  readonly capabilities: readonly CapabilityName[];
  /** Frames may come from the port. */
  receives(spec: S): boolean;
  /** Frames may be sent to it. */
  sends(spec: S): boolean;
  /** It gives so many frames and then ends. */
  ends(spec: S): boolean;
  claims(spec: S): readonly Claim[];
  /** Files that it is written with: the target is a path. Absent: it is none. */
  files?(spec: S): PortFiles;
  /** URL of the module whose `opener` (`PortOpener`) opens its ports on the main thread. */
  readonly open: string;
  /** URL of the module whose `attacher` (`PortAttacher`) gives a worker its receivers and senders. */
  readonly attach: string;
  /** Carries a type, and is never there. */
  readonly detailType?: D;
}

/** The type of the ports of a kind, and of the `detail` of their summaries. */
export type SpecOf<K> = K extends PortKind<infer S, unknown> ? S : never;
export type DetailOf<K> = K extends { readonly detailType?: infer D } ? Exclude<D, undefined> : never;

/** Describes a form: its `spec` gets the options as the table says. */
export function form<S extends AnyPortSpec, O extends PortOptions>(given: {
  readonly target: string;
  readonly targetIs?: 'interface' | 'file';
  readonly does: string;
  readonly options: O;
  spec(target: string, values: OptionValues<O>, named: NamedPort, where: string): S;
}): PortForm<S> {
  return given as unknown as PortForm<S>;
}

/** True where the target is to be filled in, false where it is a word. */
export function isPlaceholder({ target }: PortForm): boolean {
  return target !== target.toLowerCase();
}

/** The form of a kind that a target belongs to; undefined where there is none. */
export function findForm(kind: PortKind, target: string): PortForm | undefined {
  return (
    kind.forms.find((one) => one.target === target && !isPlaceholder(one)) ?? kind.forms.find(isPlaceholder)
  );
}

/** Receive or transmit queues that a port of a kernel interface has at most: what PACKET_FANOUT and tun allow. */
export const INTERFACE_QUEUES_MAX = 256;
/** IFNAMSIZ - 1. */
const INTERFACE_NAME_MAX = 15;

/** A name that the kernel takes for an interface. @throws UserError */
export function interfaceName(where: string, name: string): string {
  if (name === '') throw new UserError(`${where}: an interface name is missing`);
  if (Buffer.byteLength(name) > INTERFACE_NAME_MAX) {
    throw new UserError(`${where}: interface name "${name}" is longer than ${INTERFACE_NAME_MAX} bytes`);
  }
  // A percent sign makes the kernel choose the name of a TAP, which this program would then not know.
  if (/[\s/:%]/.test(name) || name === '.' || name === '..') {
    throw new UserError(
      `${where}: "${name}" is not an interface name (no blanks, slashes, colons, percent signs)`,
    );
  }
  return name;
}

/** The claim on an interface. */
export function interfaceClaim(name: string): Claim {
  return { key: `interface ${name}`, text: `interface ${name}`, shared: false };
}
