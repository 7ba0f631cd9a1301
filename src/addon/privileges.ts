/**
 * What the forwarder may do once its ports are open.
 *
 * Promise: after `limitPrivileges` no thread of the process has other capabilities than those that live changes need
 * (`LIVE`), no program that it starts gets any, and none can be regained; with `drop` there are none at all. Workers
 * are started afterwards and inherit that. What a capability is needed for later is named here, once; what could then
 * not be done is refused before anything is given up, or when it is asked for, in one line that says so.
 *
 * Without capabilities (another user than root) there is nothing to give up. Main thread.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.js';
import type { Native } from './native.js';

/** Numbers in linux/capability.h. */
const NUMBERS = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_BROADCAST: 11,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_IPC_LOCK: 14,
  CAP_SYS_NICE: 23,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
/** A capability that the program knows. */
export type CapabilityName = keyof typeof NUMBERS;

/** What live changes need, and what for. */
const LIVE: readonly CapabilityName[] = [
  // TAPs; promiscuous mode, MTUs, receive buffers beyond the system's limit.
  'CAP_NET_ADMIN',
  // Hearing of a TAP that was moved into a guest's network namespace.
  'CAP_NET_BROADCAST',
  // Packet sockets and AF_XDP, of interfaces that come back and of ports that are added.
  'CAP_NET_RAW',
  // Memory of AF_XDP sockets beyond RLIMIT_MEMLOCK.
  'CAP_IPC_LOCK',
  // The main thread's own priority back, after plans that it makes at a low one.
  'CAP_SYS_NICE',
  // The steering program of a TAP with several queues, and the guard before a receive ring.
  'CAP_BPF',
  'CAP_PERFMON',
];

/** Files that are needed again while it runs. */
export interface NeededFiles {
  /** Read: modules of policies. The program's own are added. */
  readonly read: readonly string[];
  /** Written, made or removed: captures, the folder of the control socket. */
  readonly write: readonly string[];
}

/** What `ctl status` tells. */
export interface Privileges {
  /** Effective capabilities by name; a number where the program does not know it. */
  readonly capabilities: readonly string[];
  /** Given up altogether (`--drop`). */
  readonly dropped: boolean;
}

let dropped = false;

const bit = (name: CapabilityName) => 2 ** NUMBERS[name];
const has = (mask: number, name: CapabilityName) => Math.floor(mask / bit(name)) % 2 === 1;
const maskOf = (names: readonly CapabilityName[]) => names.reduce((sum, name) => sum + bit(name), 0);

/** True after `limitPrivileges` with `drop`. */
export function privilegesDropped(): boolean {
  return dropped;
}

/** Whether this thread has a capability. */
export function hasCapability(native: Native, name: CapabilityName): boolean {
  return has(native.capabilities().effective, name);
}

/** The privileges of the calling thread. */
export function privileges(native: Native | null): Privileges {
  const mask = native?.capabilities().effective ?? 0;
  const known = new Map<number, string>(Object.entries(NUMBERS).map(([name, number]) => [number, name]));
  const capabilities: string[] = [];
  for (let number = 0; number < 53; number++) {
    if (Math.floor(mask / 2 ** number) % 2 === 1)
      capabilities.push(known.get(number) ?? `capability ${number}`);
  }
  return { capabilities, dropped };
}

/** The first of the files that this thread could not get at with these capabilities alone, or null. */
function unreachable(native: Native, files: NeededFiles, names: readonly CapabilityName[]): string | null {
  const { effective } = native.capabilities();
  native.setEffectiveCapabilities(maskOf(names.filter((name) => has(effective, name))));
  try {
    const unread = files.read.find((path) => !native.mayAccess(path, false));
    return unread ?? files.write.find((path) => !native.mayAccess(path, true)) ?? null;
  } finally {
    native.setEffectiveCapabilities(effective);
  }
}

/** `LIVE`, and the least that still gets at all files: folders of other users are open to root by capability only. */
function neededFor(native: Native, files: NeededFiles): readonly CapabilityName[] {
  const withSearch = [...LIVE, 'CAP_DAC_READ_SEARCH'] as const;
  return (
    [LIVE, withSearch].find((names) => unreachable(native, files, names) === null) ?? [
      ...LIVE,
      'CAP_DAC_OVERRIDE',
    ]
  );
}

/**
 * Gives up what is not needed any more, in all threads; with `drop` everything.
 * @throws UserError with `drop` where a file could then not be reached; nothing is given up then
 */
export function limitPrivileges(native: Native | null, files: NeededFiles, drop: boolean): void {
  if (native === null) return;
  const own = dirname(dirname(fileURLToPath(import.meta.url)));
  const needed = { ...files, read: [own, fileURLToPath(import.meta.url), ...files.read] };
  if (drop) {
    const lost = unreachable(native, needed, []);
    if (lost !== null) {
      throw new UserError(`--drop: without capabilities ${lost} is out of reach: it belongs to another user`);
    }
  }
  native.limitCapabilities(drop ? 0 : maskOf(neededFor(native, needed)));
  dropped = drop;
}
