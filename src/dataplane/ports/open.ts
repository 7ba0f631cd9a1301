/**
 * Opens every port of a run on the main thread.
 *
 * Promise: all or nothing: when one port cannot be opened, those that were are closed again and one UserError
 * line says which port and why.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { createCaptureFile } from '../../capture/writer.js';
import { UserError } from '../../errors.js';
import { loadNative, type Native, nativeProblem } from '../native.js';
import { LivePort } from './live.js';
import type { PortInfo } from './port.js';
import { checkPorts, type PortSpec } from './port-spec.js';

export interface OpenPorts {
  readonly infos: readonly PortInfo[];
  /** Live ports by index. */
  readonly live: ReadonlyMap<number, LivePort>;
  readonly native: Native | null;
  close(): void;
}

/** Bit numbers in CapEff. */
const CAPABILITY = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;

function requireCapability(spec: PortSpec, name: keyof typeof CAPABILITY): void {
  const line = readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*([0-9a-f]+)/m);
  const effective = BigInt(`0x${line?.[1] ?? '0'}`);
  if (((effective >> BigInt(CAPABILITY[name])) & 1n) === 0n) {
    throw new UserError(`--port ${spec.name}: ${spec.kind} needs ${name} (run as root, or setcap ${name.toLowerCase()}+ep)`);
  }
}

export function openPorts(
  specs: readonly PortSpec[],
  options: { readonly workers: number; readonly warn: (message: string) => void },
): OpenPorts {
  checkPorts(specs);
  const live = new Map<number, LivePort>();
  const wantsNative = specs.some((spec) => spec.kind === 'af_packet' || spec.kind === 'tap');
  const native = loadNative();
  const close = () => {
    for (const port of live.values()) port.close();
  };
  try {
    if (wantsNative && native === null) throw new UserError(`live ports: ${nativeProblem()}`);
    const infos = specs.map((spec, index): PortInfo => {
      const info = describe(spec, index, options.workers);
      if (spec.kind !== 'af_packet' && spec.kind !== 'tap') return info;
      requireCapability(spec, spec.kind === 'tap' ? 'CAP_NET_ADMIN' : 'CAP_NET_RAW');
      // The group id is per network namespace: the process id keeps two instances apart.
      const group = (process.pid * 31 + index) & 0xffff;
      const port = new LivePort(native!, spec, group, options.warn);
      live.set(index, port);
      return { ...info, rxQueues: port.rxQueues, txQueues: port.txQueues };
    });
    return { infos, live, native, close };
  } catch (error) {
    close();
    throw error;
  }
}

function describe(spec: PortSpec, index: number, workers: number): PortInfo {
  const base = { index, name: spec.name, kind: spec.kind, offload: true, source: null, sink: null };
  const state = (queues: number) => new SharedArrayBuffer(Math.max(1, queues) * 8);
  switch (spec.kind) {
    case 'af_packet':
    case 'tap':
      return { ...base, rxQueues: spec.queues, txQueues: spec.queues, offload: spec.offload, state: state(spec.queues) };
    case 'memory':
      if (spec.source === null) {
        const queues = spec.txQueues > 0 ? spec.txQueues : workers;
        return { ...base, rxQueues: 0, txQueues: queues, sink: { kind: 'memory' }, state: state(0) };
      }
      return {
        ...base,
        rxQueues: 1,
        txQueues: 0,
        source: { kind: 'memory', options: spec.source, finite: spec.source.packets > 0 },
        state: state(1),
      };
    case 'pcap':
      if (spec.mode === 'write') {
        createCaptureFile(spec.path);
        return { ...base, rxQueues: 0, txQueues: 1, offload: false, sink: { kind: 'capture', path: spec.path }, state: state(0) };
      }
      try {
        accessSync(spec.path, constants.R_OK);
      } catch (error) {
        throw new UserError(`--port ${spec.name}: cannot read ${spec.path}: ${(error as NodeJS.ErrnoException).code}`);
      }
      return {
        ...base,
        rxQueues: 1,
        txQueues: 0,
        source: { kind: 'capture', path: spec.path, finite: true },
        state: state(1),
      };
  }
}
