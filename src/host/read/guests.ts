/**
 * Guests of a host: their vCPU, I/O and vhost threads, their cards and taps.
 *
 * Promise: a thread's part comes from its name where the hypervisor gives one (`debug-threads=on`); else from what kind of
 * thread it is, or it is not told. vhost workers are found as threads of QEMU (Linux 6.4 and newer) and as kernel threads
 * (older). Pure.
 */

import { vcpuOfThread } from '../../linux/virtio-net.js';
import { type Fact, known, unknown } from '../fact.js';
import type { Process, Processes, Thread } from './processes.js';
import { type GuestNic, parseQemuLine } from './qemu-line.js';

/** A guest. */
export interface Guest {
  readonly name: string;
  readonly pid: number;
  readonly vcpus: readonly Thread[];
  readonly ioThreads: readonly Thread[];
  readonly vhost: readonly Thread[];
  /** The process's first thread, which serves a tap where neither vhost nor an I/O thread does. */
  readonly main: Thread | null;
  readonly nics: readonly GuestNic[];
  /** Its taps: queues that it holds of each. */
  readonly taps: Fact<ReadonlyMap<string, number>>;
  readonly vhostFds: Fact<number>;
  /** True where no thread says what it is. */
  readonly unnamed: boolean;
}

const IO = /^(IO |iothread|fc_net|_net\d)/;

/** The guests that run. */
export function guestsOf({ all, kernel, threads, taps, vhost }: Processes): Guest[] {
  return all
    .filter(({ pid }) => threads.has(pid))
    .map((process) => guestOf(process, threads.get(process.pid)!, kernel, taps, vhost));
}

function guestOf(
  { pid, name, words }: Process,
  threads: readonly Thread[],
  kernel: readonly Thread[],
  taps: Processes['taps'],
  vhost: Processes['vhost'],
): Guest {
  const line = parseQemuLine(words);
  const worker = `vhost-${pid}`;
  const vcpus = threads.filter((thread) => vcpuOfThread(thread.name) !== null);
  return {
    name: line.name ?? `${name}-${pid}`,
    pid,
    vcpus,
    ioThreads: threads.filter((thread) => IO.test(thread.name)),
    vhost: [...threads, ...kernel].filter((thread) => thread.name === worker),
    main: threads.find(({ tid }) => tid === pid) ?? null,
    nics: line.nics,
    taps: taps.get(pid) ?? unknown(`descriptors of process ${pid}: no right to look`, 'denied'),
    vhostFds: vhost.get(pid) ?? unknown(`descriptors of process ${pid}: not in the collection`, 'absent'),
    unnamed: vcpus.length === 0,
  };
}

/** The guest that holds a tap, by its descriptors or its command line. */
export function guestOfTap(guests: readonly Guest[], tap: string): Guest | null {
  return (
    guests.find((guest) => known(guest.taps) && guest.taps.has(tap)) ??
    guests.find((guest) => guest.nics.some((nic) => nic.ifname === tap)) ??
    null
  );
}
