/**
 * What a kind's `open` module gives: how its ports are opened on the main thread.
 *
 * Promise: `open` succeeds completely, or throws one UserError line and leaves nothing open. Main thread only.
 */
import type { Native } from '../../addon/native.js';
import type { PortInfo } from '../shared/port-info.js';
import type { DeviceCounters } from './device/device-counters.js';
import type { AnyPortSpec } from './kind.js';
import type { LivePort } from './live-port.js';

/** What a port is opened with. */
export interface OpenContext {
  /** Null without the addon: then kinds that need it have been refused. */
  readonly native: Native | null;
  /** The drop counters of the devices. */
  readonly devices: DeviceCounters;
  /** Workers that there can be. */
  readonly workers: number;
  readonly warn: (message: string) => unknown;
  /** Ends the opening where it waits. */
  readonly signal?: AbortSignal;
  /** Only what can be opened without waiting for others: nobody may keep a running forwarder waiting. */
  readonly regularFilesOnly?: boolean;
  /** MiB that the kernel may hold for all receive queues together. */
  readonly receiveMib: number;
  /** The ports that are open, this one, and those that are opened after it. */
  readonly specs: readonly AnyPortSpec[];
}

/** What workers are told of a port beside its place among the others. */
export type PortParts<Data = unknown> = Pick<
  PortInfo<Data>,
  'rxQueues' | 'txQueues' | 'choosesQueue' | 'flood' | 'lends' | 'programmed' | 'gate' | 'finite' | 'data'
>;

/** A port that is open. */
export interface OpenPort<Data = unknown> {
  readonly parts: PortParts<Data>;
  /** For as long as it is open; absent where nothing behind it can change. */
  readonly live?: LivePort;
  /** Descriptors that so many workers take for it, all together; absent: none that are worth counting. */
  descriptors?(workers: number): number;
  close(): void;
}

/** @typeParam L its live ports */
export interface PortOpener<S extends AnyPortSpec = AnyPortSpec, L extends LivePort = LivePort> {
  open(spec: S, context: OpenContext): OpenPort | Promise<OpenPort>;
  /** What would keep it from being opened, as far as that can be seen without opening or making anything. @throws UserError */
  check?(spec: S, native: Native | null): void;
  /** Ports came or went: shares out anew what this kind's live ports share. */
  settle?(ports: readonly L[], receiveMib: number): void;
  /**
   * The last look at live ports before they are closed, when no worker receives from them any more: nothing is taken in
   * from now on, what lies in their queues is counted, and what was dropped meanwhile.
   */
  finish?(ports: readonly L[]): void;
}
