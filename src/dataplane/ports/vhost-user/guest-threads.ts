/**
 * The virtual CPUs of the guest behind a socket: threads of the process at its other end, by their names.
 *
 * Promise: what is found belongs to the process that connected (SO_PEERCRED); nothing is guessed: where the process cannot
 * be seen, or none of its threads says that it is a virtual CPU, the reason is returned. Reads /proc; main thread only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { vcpuOfThread } from '../../../linux/virtio-net.js';

/** Tasks of the virtual CPUs, in the order of their numbers; or why they are not known. */
export type GuestThreads = { readonly tasks: readonly number[] } | { readonly why: string };

/** @param pid the process at the other end; 0 where it is not seen from here (another PID namespace) */
export function guestThreads(pid: number): GuestThreads {
  if (pid <= 0) return { why: 'the process at the other end is in another PID namespace' };
  const found: [vcpu: number, task: number][] = [];
  let name = '';
  try {
    name = readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd();
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const vcpu = vcpuOfThread(nameOf(pid, task));
      if (vcpu !== null) found.push([vcpu, Number(task)]);
    }
  } catch {
    return { why: `process ${pid} at the other end is not to be seen in /proc` };
  }
  if (found.length > 0) return { tasks: found.sort(([a], [b]) => a - b).map(([, task]) => task) };
  // One thread for all virtual CPUs (`-accel tcg,thread=single`) has a name that says so.
  return {
    why: name.startsWith('qemu')
      ? `the threads of process ${pid} (${name}) do not say which virtual CPU they are: start it with -name NAME,debug-threads=on`
      : `process ${pid} (${name}) at the other end has no threads of virtual CPUs`,
  };
}

/** A thread that has just ended has none. */
function nameOf(pid: number, task: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trimEnd();
  } catch {
    return '';
  }
}
