/**
 * The ports that a run has open, on the main thread.
 *
 * Promise: all or nothing: when one port cannot be opened, those that were are closed again and one UserError
 * line says which port and why. What the kinds do for their ports is in their folders; their modules are loaded once,
 * before the first port is opened.
 */
import { loadNative, type Native, nativeProblem } from '../../addon/native.js';
import { type CapabilityName, hasCapability, privilegesDropped } from '../../addon/privileges.js';
import { UserError } from '../../errors.js';
import { DEFAULT_RECEIVE_MIB } from '../shared/limits.js';
import type { PortInfo } from '../shared/port-info.js';
import { DeviceCounters } from './device/device-counters.js';
import type { AnyPortSpec, PortKind } from './kind.js';
import { kindOf, portKinds } from './kinds.js';
import type { LivePort } from './live-port.js';
import type { OpenPort, PortOpener } from './opener.js';
import { checkPorts } from './port-spec.js';

/** Where a port's numbers begin; see `PortInfo`. */
export type PortPlace = Pick<PortInfo, 'index' | 'generation' | 'firstQueue' | 'firstLock'>;

/** What ports are opened with. */
export interface OpenOptions {
  /** Workers that there can be. */
  readonly workers: number;
  readonly warn: (message: string) => unknown;
  /** Ends the opening where it waits. */
  readonly signal?: AbortSignal;
  /** Captures that are neither files nor to be made are refused: nobody may keep a running forwarder waiting. */
  readonly regularFilesOnly?: boolean;
  /** MiB that the kernel may hold for all receive queues together; default `DEFAULT_RECEIVE_MIB`. */
  readonly receiveMib?: number;
  /** This port and those that are opened after it; default: this port. */
  readonly coming?: readonly AnyPortSpec[];
}

/** The names of kinds as a port begins with them: `pcap: and memory:`. */
function kindNames(kinds: readonly PortKind[]): string {
  const names = kinds.map(({ name }) => `${name}:`);
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function requireCapability(native: Native, spec: AnyPortSpec, name: CapabilityName): void {
  if (hasCapability(native, name)) return;
  const free = portKinds().filter(({ capabilities }) => capabilities.length === 0);
  const why = privilegesDropped()
    ? `, which this forwarder has given up (--drop): only ${kindNames(free)} ports can be added`
    : ` (run as root, or setcap ${name.toLowerCase()}+ep)`;
  throw new UserError(`--port ${spec.name}: ${spec.kind} needs ${name}${why}`, { code: 'RXS_CAPABILITY' });
}

/** @throws UserError without the addon */
function requireAddon(native: Native | null): void {
  if (native === null) throw new UserError(`live ports: ${nativeProblem()}`, { code: 'RXS_NO_ADDON' });
}

/**
 * What would keep ports from being opened, as far as it can be seen without opening them; what depends on who opens them
 * is a warning. @throws UserError
 */
export async function checkOpenable(
  specs: readonly AnyPortSpec[],
  warn: (message: string) => unknown,
): Promise<void> {
  checkPorts(specs);
  const native = loadNative();
  for (const spec of specs) {
    const kind = kindOf(spec);
    if (kind.needsAddon) requireAddon(native);
    for (const name of kind.capabilities) {
      if (native === null || hasCapability(native, name)) continue;
      warn(`port ${spec.name}: ${spec.kind} needs ${name}, which this user does not have`);
    }
    const [, opener] = await loadOpener(kind);
    opener.check?.(spec, native);
  }
}

async function loadOpener({ name, open }: PortKind): Promise<[string, PortOpener]> {
  const { opener } = (await import(open)) as { readonly opener: PortOpener };
  return [name, opener];
}

interface Open {
  readonly spec: AnyPortSpec;
  readonly port: OpenPort;
}

export class OpenPorts {
  readonly infos: PortInfo[] = [];
  /** Live ports by index. */
  readonly live = new Map<number, LivePort>();
  /** The drop counters of the devices. */
  readonly devices = new DeviceCounters();
  private readonly open = new Map<number, Open>();

  private constructor(
    readonly native: Native | null,
    /** See `EnginePlan`. */
    readonly attachers: Readonly<Record<string, string>>,
    private readonly openers: ReadonlyMap<string, PortOpener>,
  ) {}

  /** No port yet, and the code of all kinds that there are now. */
  static async load(): Promise<OpenPorts> {
    const kinds = portKinds();
    const attachers = Object.fromEntries(kinds.map(({ name, attach }) => [name, attach]));
    return new OpenPorts(loadNative(), attachers, new Map(await Promise.all(kinds.map(loadOpener))));
  }

  /** Opens one port; `infos` is left to the caller. @throws UserError */
  async add(spec: AnyPortSpec, place: PortPlace, options: OpenOptions): Promise<PortInfo> {
    const { native, devices } = this;
    const { needsAddon, capabilities } = kindOf(spec);
    if (needsAddon) requireAddon(native);
    if (native !== null) for (const name of capabilities) requireCapability(native, spec, name);
    const { coming = [spec], receiveMib = DEFAULT_RECEIVE_MIB, ...others } = options;
    const specs = [...[...this.open.values()].map((open) => open.spec), ...coming];
    const port = await this.openers
      .get(spec.kind)!
      .open(spec, { ...others, native, devices, receiveMib, specs });
    this.open.set(place.index, { spec, port });
    if (port.live !== undefined) this.live.set(place.index, port.live);
    return {
      ...place,
      ...port.parts,
      ...{ removed: false, firstPoller: -1, name: spec.name, kind: spec.kind },
      ...(spec.sources === undefined ? {} : { sources: spec.sources }),
    };
  }

  /** Descriptors that so many workers take for a port. */
  descriptors(index: number, workers: number): number {
    return this.open.get(index)?.port.descriptors?.(workers) ?? 0;
  }

  /** Brings the drop counters of all live ports up to date. */
  readDrops(): void {
    this.devices.refresh();
    for (const port of this.live.values()) port.readDrops();
  }

  /** The last look at live ports (one, or all), when no worker receives from them any more: see `PortOpener.finish`. */
  finish(index?: number): void {
    for (const [kind, opener] of this.openers) opener.finish?.(this.liveOf(kind, index));
  }

  /** Ports came or went: their MTUs, and what they share. @throws UserError where an MTU cannot be set */
  settle(options: Pick<OpenOptions, 'warn' | 'receiveMib'>): void {
    this.settleMtus(options.warn);
    for (const [kind, opener] of this.openers) {
      opener.settle?.(this.liveOf(kind), options.receiveMib ?? DEFAULT_RECEIVE_MIB);
    }
  }

  /** Ports that follow get the smallest MTU of those that fix theirs; what still differs is worth a warning. */
  settleMtus(warn: (message: string) => unknown): void {
    const ports = [...this.live.values()];
    const fixed = ports.flatMap(({ fixesMtu, mtu }) => (fixesMtu && mtu !== null ? [mtu] : []));
    const smallest = fixed.length > 0 ? Math.min(...fixed) : 0;
    for (const port of ports) port.applyMtu(smallest);
    const mtus = ports.flatMap(({ spec, mtu }) => (mtu === null ? [] : [{ name: spec.name, mtu }]));
    const least = Math.min(...mtus.map(({ mtu }) => mtu));
    if (mtus.every(({ mtu }) => mtu === least)) return;
    const list = mtus.map(({ name, mtu }) => `${name} ${mtu}`).join(', ');
    warn(`the ports' MTUs differ (${list}): frames too long for their way out are dropped as tooLong`);
  }

  private liveOf(kind: string, index?: number): LivePort[] {
    return [...this.live].flatMap(([at, port]) =>
      port.spec.kind === kind && (index === undefined || at === index) ? [port] : [],
    );
  }

  /** Closes what belongs to one port. */
  closePort(index: number): void {
    const open = this.open.get(index);
    this.open.delete(index);
    this.live.delete(index);
    open?.port.close();
  }

  close(): void {
    for (const index of [...this.open.keys()]) this.closePort(index);
    this.devices.close();
  }
}

/** Opens all ports of a run. @throws UserError */
export async function openPorts(specs: readonly AnyPortSpec[], options: OpenOptions): Promise<OpenPorts> {
  checkPorts(specs);
  const ports = await OpenPorts.load();
  try {
    let [firstQueue, firstLock] = [0, 0];
    for (const [index, spec] of specs.entries()) {
      options.signal?.throwIfAborted();
      const place = { index, generation: 0, firstQueue, firstLock };
      const info = await ports.add(spec, place, { ...options, coming: specs.slice(index) });
      firstQueue += info.rxQueues;
      firstLock += info.txQueues;
      ports.infos.push(info);
    }
    ports.settleMtus(options.warn);
    return ports;
  } catch (error) {
    ports.close();
    throw error;
  }
}
