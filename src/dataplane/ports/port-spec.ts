/**
 * The text form of a port, `NAME=KIND:TARGET[,option=value…]`, parsed and checked.
 *
 * Promise: a `PortSpec` is complete (defaults filled) and free of contradictions that can be seen without opening
 * anything; everything else is a one-line UserError that names the port.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { atPlaceOf, hasControl, inArea, UserError, unknownName } from '../../errors.js';
import { parseSources, type SourceRules } from '../../mac/source-rules.js';
import { WORKER_MAX } from '../../policy/values.js';
import { LIVE_QUEUES_MAX } from '../shared/words.js';
import { type MemorySourceOptions, parseMemoryOptions } from './memory/options.js';

export const PORT_KINDS = ['af_packet', 'tap', 'pcap', 'memory'] as const;
export const FANOUT_MODES = ['hash', 'cpu', 'qm', 'lb', 'rnd'] as const;
export type FanoutMode = (typeof FANOUT_MODES)[number];

/** Largest process id (PID_MAX_LIMIT). */
const TASK_MAX = 1 << 22;
/** Copies a second. */
const FLOOD_MOST = 1_000_000_000;
/** IFNAMSIZ - 1. */
const INTERFACE_NAME_MAX = 15;

/** What consumes the frames that a port sends: a worker by its number, or a task that the scheduler places. */
export type Consumer =
  | { readonly kind: 'cpu'; readonly worker: number }
  | { readonly kind: 'follow'; readonly task: number };

interface Named {
  readonly name: string;
  /** The text it was parsed from. */
  readonly text: string;
  /** `mac=` and `ip=`: the addresses that the guest or host behind the port may use; absent = any. */
  readonly sources?: SourceRules;
  /** `cpu=N` or `follow=PID`: whom policies that follow consumers follow; null = nobody. */
  readonly consumer: Consumer | null;
}

/** A packet socket on an interface. */
export interface PacketPortSpec extends Named {
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

/** A TAP device, made where it is absent. */
export interface TapPortSpec extends Named {
  readonly kind: 'tap';
  readonly interface: string;
  readonly queues: number;
  readonly offload: boolean;
  /** MTU to set; 0 = for a TAP made here that of the other interfaces, else as it is. */
  readonly mtu: number;
  /** Copies a second that floods from this port may cost; 0 = no limit, absent = the default. */
  readonly flood?: number;
}

/** A capture file, read or written. */
export interface CapturePortSpec extends Named {
  readonly kind: 'pcap';
  readonly path: string;
  readonly mode: 'read' | 'write';
}

/** A traffic generator or a sink in memory. */
export interface MemoryPortSpec extends Named {
  readonly kind: 'memory';
  /** The generator's options, or null for a sink. */
  readonly source: MemorySourceOptions | null;
  /** Transmit queues of a sink; 0 = one per worker. Fewer than workers means that they share it through a lock. */
  readonly txQueues: number;
  /** A sink that counts how old stamped frames are when they arrive. */
  readonly latency: boolean;
  /** A sink that copies every frame into a guest's receive queue, as vhost does. */
  readonly copy: boolean;
}

/** A port of the forwarder, parsed and complete. Made by `parsePort`. */
export type PortSpec = PacketPortSpec | TapPortSpec | CapturePortSpec | MemoryPortSpec;

/** Parses one `--port`. Throws UserError. */
export function parsePort(text: string): PortSpec {
  return inArea('RXS_PORT', () => parsed(text));
}

function parsed(text: string): PortSpec {
  const match = /^([^=:,]+)=([a-z_]+):([^,]*)(?:,(.*))?$/.exec(text);
  if (match === null) {
    throw new UserError(
      `--port ${text}: expected NAME=KIND:TARGET[,option=value…], e.g. a=af_packet:eth0 or b=memory:sink`,
    );
  }
  if (hasControl(text)) throw new UserError(`--port ${text}: it holds a control character`);
  const [, name, kind, target, rest] = match as unknown as [string, string, string, string, string?];
  const where = `--port ${name}`;
  const options = new Map<string, string>();
  for (const part of rest ? rest.split(',') : []) {
    const at = part.indexOf('=');
    if (at <= 0) throw new UserError(`${where}: option "${part}": expected option=value`);
    const key = part.slice(0, at);
    if (options.has(key)) throw new UserError(`${where}: option "${key}" is given twice`);
    options.set(key, part.slice(at + 1));
  }
  const reader = new OptionReader(where, options);
  const sources = reader.sources();
  const parsed = parseKind(reader, kind, target, { name, text, consumer: null });
  const spec: PortSpec = { ...parsed, consumer: reader.consumer(), ...(sources === null ? {} : { sources }) };
  if (sources !== null && !receives(spec)) {
    throw new UserError(
      `${where}: mac= and ip=: nothing is received from this port, so there is nothing to check`,
    );
  }
  reader.finish(receives(spec) ? ['mac', 'ip'] : []);
  if (spec.kind === 'pcap' && spec.mode === 'read' && spec.consumer !== null) {
    throw new UserError(
      `${where}: ${spec.consumer.kind}=: nothing is delivered to this port, so it has no consumer`,
    );
  }
  return spec;
}

function receives(spec: PortSpec): boolean {
  if (spec.kind === 'pcap') return spec.mode === 'read';
  return spec.kind !== 'memory' || spec.source !== null;
}

function parseKind(r: OptionReader, kind: string, target: string, named: Named): PortSpec {
  switch (kind) {
    case 'af_packet':
      return {
        ...named,
        kind,
        interface: interfaceName(r.where, target),
        queues: r.integer('queues', 1, 1, LIVE_QUEUES_MAX),
        fanout: r.choice('fanout', FANOUT_MODES, 'hash'),
        offload: r.onOff('offload'),
        txQueues: r.integer('txqueues', 0, 1, LIVE_QUEUES_MAX),
        bypass: r.choice('bypass', ['off', 'on'] as const, 'off') === 'on',
        xsk: r.onOff('xsk'),
        ring: r.integer('ring', 8192, 64, 1 << 18),
        ...r.optional('flood', 0, FLOOD_MOST),
      };
    case 'tap':
      return {
        ...named,
        kind,
        interface: interfaceName(r.where, target),
        queues: r.integer('queues', 1, 1, LIVE_QUEUES_MAX),
        offload: r.onOff('offload'),
        mtu: r.integer('mtu', 0, 68, 65_535),
        ...r.optional('flood', 0, FLOOD_MOST),
      };
    case 'pcap':
      if (target === '') throw new UserError(`${r.where}: pcap needs a file, e.g. pcap:in.pcap`);
      return { ...named, kind, path: target, mode: r.choice('mode', ['read', 'write'] as const, 'read') };
    case 'memory':
      if (target === 'sink') {
        const txQueues = r.integer('queues', 0, 1, 1024);
        const latency = r.choice('latency', ['off', 'on'] as const, 'off') === 'on';
        const copy = r.choice('copy', ['off', 'on'] as const, 'off') === 'on';
        return { ...named, kind, source: null, txQueues, latency, copy };
      }
      if (target !== 'source')
        throw unknownName(`target of memory port ${named.name}`, target, ['source', 'sink']);
      return { ...named, kind, source: memorySource(r), txQueues: 0, latency: false, copy: false };
    default:
      throw unknownName(`kind of port ${named.name}`, kind, PORT_KINDS);
  }
}

function memorySource(r: OptionReader): MemorySourceOptions {
  try {
    return parseMemoryOptions('source', r.rest()) as MemorySourceOptions;
  } catch (error) {
    throw error instanceof UserError ? atPlaceOf(r.where, error) : error;
  }
}

function interfaceName(where: string, name: string): string {
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

/** Reads options by name with defaults, and complains about those that nobody asked for. */
class OptionReader {
  private readonly known: string[] = [];
  constructor(
    readonly where: string,
    private readonly options: Map<string, string>,
  ) {}

  private take(key: string): string | undefined {
    this.known.push(key);
    const value = this.options.get(key);
    this.options.delete(key);
    return value;
  }

  integer(key: string, fallback: number, least: number, most: number): number {
    const value = this.take(key);
    if (value === undefined) return fallback;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new UserError(`${this.where}: ${key}=${value}: expected a whole number from ${least} to ${most}`);
    }
    return number;
  }

  /** `{ key: number }`, or nothing where the option is not given. */
  optional<K extends string>(key: K, least: number, most: number): { [P in K]?: number } {
    const value = this.integer(key, -1, least, most);
    return value < 0 ? {} : ({ [key]: value } as { [P in K]?: number });
  }

  choice<T extends string>(key: string, values: readonly T[], fallback: T): T {
    const value = this.take(key);
    if (value === undefined) return fallback;
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) {
      throw new UserError(`${this.where}: ${key}=${value}: expected one of ${values.join(', ')}`);
    }
    return found;
  }

  onOff(key: string): boolean {
    return this.choice(key, ['on', 'off'] as const, 'on') === 'on';
  }

  /** Before all others: of some kinds the rest has a parser of its own. */
  sources(): SourceRules | null {
    const { options } = this;
    const [mac, ip] = [options.get('mac'), options.get('ip')];
    options.delete('mac');
    options.delete('ip');
    return parseSources(this.where, mac, ip);
  }

  consumer(): Consumer | null {
    const worker = this.integer('cpu', -1, 0, WORKER_MAX);
    const task = this.integer('follow', -1, 1, TASK_MAX);
    if (worker >= 0 && task >= 0) {
      throw new UserError(
        `${this.where}: cpu=${worker} and follow=${task}: a port has one consumer, give one`,
      );
    }
    return worker >= 0 ? { kind: 'cpu', worker } : task >= 0 ? { kind: 'follow', task } : null;
  }

  /** All remaining options, for a parser of its own. */
  rest(): Map<string, string> {
    const rest = new Map(this.options);
    this.options.clear();
    return rest;
  }

  /** @param more options that are known besides those that were asked for */
  finish(more: readonly string[]): void {
    const [left] = this.options.keys();
    if (left === undefined) return;
    throw unknownName(`option of ${this.where.replace('--', '')}`, left, [...this.known, ...more]);
  }
}

/** What a path leads to, as far as it exists. */
function sameFile(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Checks a whole set of ports: names and interfaces used once, files that are written used by one port only. */
export function checkPorts(ports: readonly PortSpec[]): void {
  inArea('RXS_PORT', () => check(ports));
}

function check(ports: readonly PortSpec[]): void {
  const names = new Set<string>();
  const interfaces = new Map<string, string>();
  const files = new Map<string, CapturePortSpec>();
  for (const port of ports) {
    if (names.has(port.name)) throw new UserError(`--port ${port.name}: this name is given twice`);
    names.add(port.name);
    if (port.kind === 'pcap') {
      const path = sameFile(port.path);
      const other = files.get(path);
      if (other !== undefined && (port.mode === 'write' || other.mode === 'write')) {
        throw new UserError(`--port ${port.name}: file ${port.path} is already port ${other.name}`);
      }
      files.set(path, port);
    } else if (port.kind !== 'memory') {
      const other = interfaces.get(port.interface);
      if (other !== undefined) {
        throw new UserError(`--port ${port.name}: interface ${port.interface} is already port ${other}`);
      }
      interfaces.set(port.interface, port.name);
    }
  }
}
