/**
 * A steering policy as a BPF program.
 *
 * Promise: the program's result is the queue (policies that have queues: rss, mac-hash) or the worker that the policy
 * chooses, for every frame of 14 bytes and more (`dissect.ts` has its two bounds); what has no program says why. Pure.
 *
 * A socket filter (AF_PACKET fanout, TAP, SO_REUSEPORT) returns it; an XDP program sends the frame to the CPU of that number,
 * by a CPU map, or to a worker's AF_XDP socket, or returns it where it is only tried.
 */
import type { MapSpec, Program } from '../bpf/assembler.js';
import { Helper, MapType, ProgramType, Reg, Xdp, XdpContext } from '../bpf/opcodes.js';
import { GENERIC_TYPES, hashTypeMask } from '../nic/hash-types.js';
import { KEY_BYTES_MAX, resolveKey } from '../policy/key.js';
import type { MacSteering } from '../policy/mac.js';
import type { MacHashSteering } from '../policy/mac-hash.js';
import { type GuestOwner, listOwners } from '../policy/owners.js';
import type { RssSteering } from '../policy/rss.js';
import type { RpsSpec } from '../policy/spec.js';
import type { Steering } from '../policy/steering.js';
import { FrameAssembler, type FrameStart } from './frame.js';
import { addMacHash, addOwners } from './mac.js';
import { addRss, rssProblem } from './rss.js';

const { r0, r1, r2, r3, r6 } = Reg;

/** Where the result goes. */
export type Outlet =
  /** It is returned: the queue of a socket filter, or a trial. */
  | { readonly to: 'result' }
  /** The frame goes to the CPU of that number, with a queue of so many frames. */
  | { readonly to: 'cpus'; readonly cpus: number; readonly frames: number }
  /**
   * The frame goes to the AF_XDP socket of that number among those of its receive queue: so many queues, so many sockets
   * each, queue by queue in the map `SOCKETS`. Where there is none it is the kernel's.
   */
  | { readonly to: 'sockets'; readonly queues: number; readonly each: number };

/** Name of the map of AF_XDP sockets. */
export const SOCKETS = 'sockets';

/** How a program is made. */
export interface ProgramOptions {
  readonly start: FrameStart;
  readonly outlet?: Outlet;
  /** Workers, not queues: for CPUs. Default false. */
  readonly workers?: boolean;
  /** Of `mac`: the port that frames come from, whose owner gets what has none. Default: worker 0 gets that. */
  readonly port?: number;
  /** The indirection table (queue of each bucket) instead of the policy's own. */
  readonly entries?: readonly number[];
}

/** Why there is no program. */
export interface NoProgram {
  readonly why: string;
}

/** The number of a worker for each queue of a table. */
function resultsOf(entries: ArrayLike<number>, workers: number | null): number[] {
  const list = Array.from(entries);
  return workers === null ? list : list.map((queue) => queue % workers);
}

/** Queues that a policy's table names; null for one without queues. @param entries its table as it is now */
export function queuesOf(steering: Steering, entries: readonly number[] | null = null): number | null {
  const { policy } = steering.spec;
  if (policy !== 'rss' && policy !== 'mac-hash') return null;
  const table = entries ?? (steering as RssSteering | MacHashSteering).table.entries;
  return Math.max(...table) + 1;
}

type Add = (p: FrameAssembler) => void;

/** The part of the program that leaves its result in r0. */
function codeOf(steering: Steering, byWorker: boolean, { entries, port }: ProgramOptions): Add | NoProgram {
  const { spec } = steering;
  const workers = byWorker ? steering.workers : null;
  switch (spec.policy) {
    case 'single':
      return (p) => p.set(r0, 0);
    case 'rss': {
      const rss = steering as RssSteering;
      if (rss.nic !== null) return { why: 'filters, rules, contexts and traffic classes are the chip’s' };
      if (spec.inner !== undefined) return { why: 'inner: packets in tunnels are not looked into' };
      const { options } = rss.rssHash;
      const why = rssProblem(options);
      if (why !== '') return { why };
      return (p) => addRss(p, options, resultsOf(entries ?? rss.table.entries, workers), 'table');
    }
    case 'rps':
      return rpsCode(spec);
    case 'mac': {
      const mac = steering as MacSteering;
      const other = port === undefined ? 0 : mac.owners.portOwner(port);
      const all = listOwners(mac);
      const owners = port === undefined ? all : withoutNeedless(all, other);
      return (p) => addOwners(p, owners, { room: spec.guests, other });
    }
    case 'mac-hash': {
      const { table, toeplitz, input } = steering as MacHashSteering;
      return (p) => addMacHash(p, toeplitz.key, input, resultsOf(table.entries, workers));
    }
    case 'rfs':
      return { why: 'where a flow’s application runs is in tables of the kernel that a program cannot read' };
    case 'pools':
      return { why: 'pools are chosen by filters of the chip' };
    case 'round-robin':
      return { why: 'it keeps no flow on its queue; nothing that is worth a program' };
    case 'js':
      return { why: 'a module of JavaScript does not run in the kernel' };
  }
}

/** Those without which something would go elsewhere: who comes and is owned by that worker changes no program. */
function withoutNeedless(owners: readonly GuestOwner[], other: number): GuestOwner[] {
  const everywhere = new Set(owners.flatMap(({ mac, vlan }) => (vlan === null ? [mac] : [])));
  return owners.filter(({ mac, worker }) => worker !== other || everywhere.has(mac));
}

function rpsCode(spec: RpsSpec): Add | NoProgram {
  if (spec.hash === 'linux') {
    return {
      why: 'the kernel’s flow hash is not offered there: socket filters and XDP have no bpf_get_hash_recalc, and the hash in a packet is there only where the NIC or RPS has put one (hash=toeplitz can be compiled)',
    };
  }
  const key = resolveKey(spec.key ?? 'microsoft', 'policy rps: key', spec.seed, 40, {
    least: 40,
    most: KEY_BYTES_MAX,
  });
  const types = hashTypeMask(GENERIC_TYPES);
  const options = { key, types, symmetric: 'none', start: 0, exRule: 'intel' } as const;
  return (p) => addRss(p, options, spec.cpus, 'scaled');
}

/** The map of CPUs: each has a queue of so many frames. */
function cpuMap(cpus: number, frames: number): MapSpec {
  const content = Array.from({ length: cpus }, (_, cpu) => {
    const words = new Uint32Array([cpu, frames]);
    return [new Uint8Array(words.buffer, 0, 4).slice(), new Uint8Array(words.buffer, 4, 4).slice()] as const;
  });
  return { name: 'cpus', type: MapType.cpumap, keyBytes: 4, valueBytes: 4, entries: cpus, content };
}

function socketMap(entries: number): MapSpec {
  return { name: SOCKETS, type: MapType.xskmap, keyBytes: 4, valueBytes: 4, entries, content: [] };
}

/** The program, or why there is none. */
export function policyProgram(steering: Steering, options: ProgramOptions): Program | NoProgram {
  const { start, outlet = { to: 'result' }, workers = false } = options;
  const add = codeOf(steering, workers, options);
  if (typeof add !== 'function') return add;
  const p = new FrameAssembler(start);
  add(p);
  if (outlet.to === 'sockets') {
    const map = p.map(socketMap(outlet.queues * outlet.each));
    p.load('w', r2, r6, XdpContext.rxQueueIndex);
    p.alu('mul', r2, outlet.each);
    p.aluWith('add', r2, r0);
    p.loadMap(r1, map);
    p.set(r3, Xdp.pass);
    p.call(Helper.redirectMap);
  }
  if (outlet.to === 'cpus') {
    const map = p.map(cpuMap(outlet.cpus, outlet.frames));
    p.move(r2, r0);
    p.loadMap(r1, map);
    // What the map does not have is passed on, on the CPU that it is on.
    p.set(r3, Xdp.pass);
    p.call(Helper.redirectMap);
  }
  p.exit();
  return p.finish('rxsteer_steer', start === 'xdp' ? ProgramType.xdp : ProgramType.socketFilter);
}

/** Whether there is a program. */
export function isProgram(made: Program | NoProgram): made is Program {
  return 'code' in made;
}
