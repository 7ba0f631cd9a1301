/**
 * Processes that matter to steering, and their threads.
 *
 * Promise: every process is looked at by its name only; command lines, threads and descriptors are read of few: those that
 * run guests, balance interrupts, tune, sniff, or hold a tap. A process that ends meanwhile is left out. Processes of
 * other users show less without root, which is told.
 *
 * Source: proc(5); drivers/net/tun.c (`iff:` in fdinfo), drivers/vhost, kernel/vhost_task.c.
 */
import { type Fact, known, map, unknown } from '../fact.js';
import { parseCpuList } from '../lists.js';
import type { Source } from '../source/source.js';

/** A thread. */
export interface Thread {
  readonly tid: number;
  readonly name: string;
  /** Where it ran last. */
  readonly cpu: number | null;
  readonly allowed: Fact<readonly number[]>;
}

/** A process that matters. */
export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly words: readonly string[];
}

/** All of them. */
export interface Processes {
  readonly all: readonly Process[];
  /** Threads of the kernel that work for packets, by name: `vhost-123`, `napi/eth0-7`, `backlog_napi/3`. */
  readonly kernel: readonly Thread[];
  /** Threads of guests by process. */
  readonly threads: ReadonlyMap<number, readonly Thread[]>;
  /** Taps that a process holds: how many of its descriptors are queues of each. */
  readonly taps: ReadonlyMap<number, ReadonlyMap<string, number>>;
  /** Descriptors of /dev/vhost-net by process; `Unknown` where they cannot be looked at. */
  readonly vhost: ReadonlyMap<number, Fact<number>>;
  /** Why there may be more: no right to look at some, or none at all. */
  readonly hidden: string | null;
  /** How many processes were looked at, or why not all of them. */
  readonly read: Fact<number>;
}

/** Names of processes that run guests; names are cut at 15 bytes. */
const GUEST = /^(qemu|kvm$|firecracker|cloud-hyperviso|crosvm)/;
const WATCHED =
  /^(irqbalance|tuned|NetworkManager|systemd-network|kubelet|dockerd|containerd|suricata|snort|zeek|bro|Suricata-Main|ovs-vswitchd|libvirtd|virtqemud|set_irq_affinit|rxsteer)/i;
const KERNEL_THREAD = /^(vhost-\d+|napi\/.+|backlog_napi\/\d+)$/;
/** Descriptors that are looked at in all, where the holder of a tap is not a guest. */
const DESCRIPTORS_MAX = 20_000;

/** Field 39 of /proc/PID/stat, which follows a name with anything in it. */
function lastCpu(text: string): number | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const cpu = Number(fields[36]);
  return Number.isInteger(cpu) ? cpu : null;
}

function threadAt(source: Source, at: string, tid: number, name: string): Thread {
  const stat = source.read(`${at}/stat`);
  return {
    tid,
    name,
    cpu: known(stat) ? lastCpu(stat) : null,
    allowed: map(source.read(`${at}/status`), (text) => {
      const list = /^Cpus_allowed_list:\s*(\S*)/m.exec(text)?.[1];
      return parseCpuList(list ?? 'x') ?? unknown(`${at}/status: no Cpus_allowed_list`);
    }),
  };
}

function threadsOf(source: Source, pid: number): Thread[] {
  const tids = source.list(`/proc/${pid}/task`);
  return (known(tids) ? tids : []).flatMap((tid) => {
    const at = `/proc/${pid}/task/${tid}`;
    const name = source.read(`${at}/comm`);
    return known(name) ? [threadAt(source, at, Number(tid), name.trimEnd())] : [];
  });
}

/** Taps by the descriptors of a process. */
function tapsOf(source: Source, pid: number, descriptors: readonly string[]): Map<string, number> {
  const taps = new Map<string, number>();
  for (const fd of descriptors) {
    const text = source.read(`/proc/${pid}/fdinfo/${fd}`);
    const name = known(text) ? /^iff:\t?(\S+)/m.exec(text)?.[1] : undefined;
    if (name !== undefined) taps.set(name, (taps.get(name) ?? 0) + 1);
  }
  return taps;
}

/** @param tapNames taps of this host: whoever else holds one is looked for only where there are any */
export function readProcesses(source: Source, tapNames: readonly string[]): Processes {
  const names = source.list('/proc');
  const pids = (known(names) ? names : []).filter((name) => /^\d+$/.test(name)).map(Number);
  const all: Process[] = [];
  const kernel: Thread[] = [];
  const threads = new Map<number, readonly Thread[]>();
  const taps = new Map<number, ReadonlyMap<string, number>>();
  const vhost = new Map<number, Fact<number>>();
  const others: number[] = [];
  let denied = 0;
  let read = map(names, () => readable(source, pids));
  for (const pid of pids) {
    const comm = source.read(`/proc/${pid}/comm`);
    if (!known(comm)) {
      if (comm.because !== 'absent') read = comm;
      continue;
    }
    const name = comm.trimEnd();
    if (KERNEL_THREAD.test(name)) kernel.push(threadAt(source, `/proc/${pid}`, pid, name));
    else if (GUEST.test(name) || WATCHED.test(name)) {
      const line = source.read(`/proc/${pid}/cmdline`);
      all.push({ pid, name, words: known(line) ? line.split('\0').slice(0, -1) : [] });
      if (!GUEST.test(name)) {
        others.push(pid);
        continue;
      }
      threads.set(pid, threadsOf(source, pid));
      denied += descriptorsOf(source, pid, taps, vhost);
    } else others.push(pid);
  }
  denied += tapNames.length === 0 ? 0 : otherHolders(source, others, tapNames, taps);
  const hidden =
    pids.length === 0
      ? 'no processes in the collection'
      : denied > 0
        ? `no right to look at the descriptors of ${denied} processes: as root there is more`
        : null;
  return { all, kernel, threads, taps, vhost, hidden, read };
}

/** Without the first process a /proc shows those of one user or container only (hidepid=, a PID namespace). */
function readable(source: Source, pids: readonly number[]): Fact<number> {
  if (pids.length === 0) return unknown('/proc: no processes in the collection', 'absent');
  return source.isLive && !pids.includes(1)
    ? unknown('/proc shows no processes of others (hidepid=2)', 'denied')
    : pids.length;
}

/** Looks at a guest's descriptors; gives 1 where there is no right to. */
function descriptorsOf(
  source: Source,
  pid: number,
  taps: Map<number, ReadonlyMap<string, number>>,
  vhost: Map<number, Fact<number>>,
): number {
  const infos = source.list(`/proc/${pid}/fdinfo`);
  if (known(infos)) taps.set(pid, tapsOf(source, pid, infos));
  const fds = source.list(`/proc/${pid}/fd`);
  vhost.set(
    pid,
    map(fds, (list) => list.filter((fd) => isLinkTo(source, pid, fd, 'vhost-net')).length),
  );
  return !known(infos) && infos.because === 'denied' ? 1 : 0;
}

function isLinkTo(source: Source, pid: number, fd: string, device: string): boolean {
  const name = source.linkName(`/proc/${pid}/fd/${fd}`);
  return known(name) && name === device;
}

/** Holders of taps that run no guest that is known: containers, VPNs, this program. */
function otherHolders(
  source: Source,
  pids: readonly number[],
  tapNames: readonly string[],
  taps: Map<number, ReadonlyMap<string, number>>,
): number {
  const found = new Set([...taps.values()].flatMap((held) => [...held.keys()]));
  if (tapNames.every((name) => found.has(name))) return 0;
  let denied = 0;
  let looked = 0;
  for (const pid of pids) {
    const fds = source.list(`/proc/${pid}/fd`);
    if (!known(fds)) {
      if (fds.because === 'denied') denied++;
      continue;
    }
    looked += fds.length;
    if (looked > DESCRIPTORS_MAX) break;
    const tun = fds.filter((fd) => isLinkTo(source, pid, fd, 'tun'));
    if (tun.length > 0) taps.set(pid, tapsOf(source, pid, tun));
  }
  return denied;
}
