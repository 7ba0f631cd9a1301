/**
 * Opens every port of a run on the main thread.
 *
 * Promise: all or nothing: when one port cannot be opened, those that were are closed again and one UserError
 * line says which port and why.
 */
import { closeSync, statSync } from 'node:fs';
import { loadNative, type Native, nativeProblem } from '../../addon/native.js';
import { type CapabilityName, hasCapability, privilegesDropped } from '../../addon/privileges.js';
import { type CaptureSpool, spoolCapture } from '../../capture/spool.js';
import { createCaptureFile } from '../../capture/writer.js';
import { atPlaceOf, UserError } from '../../errors.js';
import { latencyBytes } from '../memory/latency.js';
import { FLOOD_RATE } from '../shared/flood-budget.js';
import { type PortInfo, STATE_WORDS, spareOffset } from '../shared/port-info.js';
import { LivePort } from './device.js';
import { guestQueueBytes } from './memory/sink.js';
import { DeviceCounters } from './packet/device-counters.js';
import { DEFAULT_RECEIVE_MIB, type ReceiveShare, receiveShare } from './packet/receive-memory.js';
import { type CapturePortSpec, checkPorts, type MemoryPortSpec, type PortSpec } from './port-spec.js';

export interface OpenPorts {
  readonly infos: readonly PortInfo[];
  /** Live ports by index. */
  readonly live: Map<number, LivePort>;
  /** Descriptors of captures that are read, by index. */
  readonly files: Map<number, number>;
  readonly native: Native | null;
  /** The drop counters of the devices. */
  readonly devices: DeviceCounters;
  /** Brings the drop counters of all live ports up to date. */
  readDrops(): void;
  /** The last look at all live ports, when no worker receives any more: see `LivePort.finish`. */
  finish(): void;
  /** Closes what belongs to one port. */
  closePort(index: number): void;
  close(): void;
}

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
  readonly coming?: readonly PortSpec[];
}

function requireCapability(native: Native, spec: PortSpec, name: CapabilityName): void {
  if (hasCapability(native, name)) return;
  const why = privilegesDropped()
    ? ', which this forwarder has given up (--drop): only pcap: and memory: ports can be added'
    : ` (run as root, or setcap ${name.toLowerCase()}+ep)`;
  throw new UserError(`--port ${spec.name}: ${spec.kind} needs ${name}${why}`, { code: 'RXS_CAPABILITY' });
}

/** Opens all ports of a run. @throws UserError */
export async function openPorts(specs: readonly PortSpec[], options: OpenOptions): Promise<OpenPorts> {
  checkPorts(specs);
  const live = new Map<number, LivePort>();
  const files = new Map<number, number>();
  const native = loadNative();
  const devices = new DeviceCounters();
  const readDrops = () => {
    devices.refresh();
    for (const port of live.values()) port.readDrops();
  };
  const finish = () => LivePort.finish([...live.values()]);
  const closePort = (index: number) => {
    live.get(index)?.close();
    live.delete(index);
    const file = files.get(index);
    if (file !== undefined) closeSync(file);
    files.delete(index);
  };
  const close = () => {
    for (const index of [...live.keys(), ...files.keys()]) closePort(index);
    devices.close();
  };
  const infos: PortInfo[] = [];
  const ports = { infos, live, files, native, devices, readDrops, finish, closePort, close };
  try {
    let [firstQueue, firstLock] = [0, 0];
    for (const [index, spec] of specs.entries()) {
      options.signal?.throwIfAborted();
      const coming = specs.slice(index);
      const place = { index, generation: 0, firstQueue, firstLock };
      const info = await openPort(spec, place, ports, { ...options, coming });
      firstQueue += info.rxQueues;
      firstLock += info.txQueues;
      infos.push(info);
    }
    settleMtus(live, options.warn);
    return ports;
  } catch (error) {
    close();
    throw error;
  }
}

/** Opens one port and enters its descriptors into `ports`; `infos` is left to the caller. @throws UserError */
export async function openPort(
  spec: PortSpec,
  place: PortPlace,
  ports: Pick<OpenPorts, 'live' | 'files' | 'native' | 'devices'>,
  options: OpenOptions,
): Promise<PortInfo> {
  const { index } = place;
  const base = {
    ...place,
    removed: false,
    firstPoller: -1,
    name: spec.name,
    kind: spec.kind,
    offload: true,
    flood: 0,
    source: null,
    sink: null,
    staging: [],
    ...(spec.sources === undefined ? {} : { sources: spec.sources }),
  };
  if (spec.kind === 'memory') return { ...base, ...memoryPort(spec, options.workers) };
  if (spec.kind === 'pcap') {
    if (options.regularFilesOnly === true) requireFile(spec);
    const port = await capturePort(spec, options);
    if (port.source !== null) ports.files.set(index, port.source.spool.fd);
    return { ...base, ...port };
  }
  if (ports.native === null) throw new UserError(`live ports: ${nativeProblem()}`, { code: 'RXS_NO_ADDON' });
  requireCapability(ports.native, spec, spec.kind === 'tap' ? 'CAP_NET_ADMIN' : 'CAP_NET_RAW');
  const others = [...ports.live.values()].map((port) => port.spec);
  const share = shareOf([...others, ...(options.coming ?? [spec])], options.receiveMib);
  const port = new LivePort(ports.native, spec, ports.devices, options.warn, share);
  ports.live.set(index, port);
  const { rxQueues, txQueues, staging } = port;
  const state = spec.kind === 'tap' ? tapState(rxQueues) : stateWords(rxQueues);
  const flood = spec.flood ?? FLOOD_RATE;
  return { ...base, offload: spec.offload, flood, rxQueues, txQueues, staging, state };
}

function shareOf(specs: readonly PortSpec[], mib = DEFAULT_RECEIVE_MIB): ReceiveShare {
  return receiveShare(
    mib,
    specs.reduce((sum, spec) => sum + (spec.kind === 'af_packet' ? spec.queues : 0), 0),
  );
}

/** Shares the kernel's receive memory anew: ports came or went. */
export function settleReceive(live: ReadonlyMap<number, LivePort>, mib?: number): void {
  const ports = [...live.values()];
  const share = shareOf(
    ports.map(({ spec }) => spec),
    mib,
  );
  for (const port of ports) port.shareReceive(share);
}

/** TAPs made here get the smallest MTU of the other interfaces; what still differs is worth a warning. */
export function settleMtus(live: ReadonlyMap<number, LivePort>, warn: (message: string) => unknown): void {
  const ports = [...live.values()];
  const devices = ports.filter(({ spec }) => spec.kind === 'af_packet').map(({ mtu }) => mtu ?? 0);
  const smallest = devices.length > 0 ? Math.min(...devices) : 0;
  for (const port of ports) port.applyMtu(smallest);
  const mtus = ports.map((port) => ({ name: port.spec.name, mtu: port.mtu ?? 0 }));
  const least = Math.min(...mtus.map(({ mtu }) => mtu));
  if (mtus.every(({ mtu }) => mtu === least)) return;
  const list = mtus.map(({ name, mtu }) => `${name} ${mtu}`).join(', ');
  warn(`the ports' MTUs differ (${list}): frames too long for their way out are dropped as tooLong`);
}

function stateWords(queues: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, queues) * STATE_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** A TAP queue's state words hold the length of the frame that waits in its spare (0 = none); the spares lie behind. */
function tapState(queues: number): SharedArrayBuffer {
  return new SharedArrayBuffer(spareOffset(queues, queues));
}

function memoryPort(spec: MemoryPortSpec, workers: number) {
  if (spec.source !== null) {
    const finite = spec.source.packets > 0;
    const source = { kind: 'memory' as const, options: spec.source, finite };
    const { queues } = spec.source;
    return { rxQueues: queues, txQueues: 0, source, state: stateWords(queues) };
  }
  const txQueues = spec.txQueues > 0 ? spec.txQueues : workers;
  const latency = spec.latency ? new SharedArrayBuffer(latencyBytes(workers)) : null;
  const guest = spec.copy ? new SharedArrayBuffer(guestQueueBytes(txQueues)) : null;
  const sink = { kind: 'memory' as const, latency, guest };
  return { rxQueues: 0, txQueues, sink, state: stateWords(0) };
}

/** @throws UserError for what a running forwarder must not open: reading or opening it may wait for ever. */
function requireFile({ name, path, mode }: CapturePortSpec): void {
  const what = path === '-' ? 'standard input' : 'no regular file';
  const there = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path !== '-' && (there === undefined || there.isFile())) return;
  throw new UserError(
    `--port ${name}: ${path} is ${what}: a running forwarder ${mode === 'write' ? 'writes' : 'reads'} regular files only`,
  );
}

/** What is waited for longer than the caller wants (standard input, a large archive) is closed when it comes. */
async function interruptible(path: string, signal?: AbortSignal): Promise<CaptureSpool> {
  const spooling = spoolCapture(path);
  if (signal === undefined) return spooling;
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([spooling, stopped]);
  } catch (error) {
    // Else it would keep the process waiting.
    if (path === '-' && signal.aborted) process.stdin.destroy();
    spooling.then(
      ({ fd }) => closeSync(fd),
      () => {},
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function capturePort(spec: CapturePortSpec, { warn, signal }: OpenOptions) {
  try {
    if (spec.mode === 'write') {
      const there = statSync(spec.path, { throwIfNoEntry: false });
      // Opening it would wait for a reader, and each worker opens it.
      if (there?.isFIFO() === true)
        throw new UserError(`${spec.path} is a pipe: captures are written to files`);
      createCaptureFile(spec.path);
      const sink = { kind: 'capture' as const, path: spec.path };
      return { rxQueues: 0, txQueues: 1, offload: false, source: null, sink, state: stateWords(0) };
    }
    const spool = await interruptible(spec.path, signal);
    if (spool.warning !== null) warn(spool.warning);
    const source = { kind: 'capture' as const, spool, finite: true as const };
    return { rxQueues: 1, txQueues: 0, source, state: stateWords(1) };
  } catch (error) {
    throw error instanceof UserError ? atPlaceOf(`--port ${spec.name}`, error) : error;
  }
}
